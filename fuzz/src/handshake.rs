//! Arbitrary bytes as the peer's handshake line, on the host and on the worker.

use isolated_workers_core::protocol::Admission;
use isolated_workers_core::protocol::handshake::{Features, HostHandshake, Identity, WorkerHandshake};
use isolated_workers_core::{Limits, Schema, Services};

const MAX_STARTUP_BYTES: usize = 1 << 16;

/// Checks that the bytes give the same result at once and byte by byte, and that the bytes after
/// the handshake are kept.
pub fn check(data: &[u8]) {
    for is_strict in [false, true] {
        let at_once = data.len().max(1);
        let whole = (host(data, at_once, is_strict), worker(data, at_once, is_strict));
        assert_eq!(whole, (host(data, 1, is_strict), worker(data, 1, is_strict)));
        if let Some(rest) = whole.0 {
            assert!(data.ends_with(&rest) && data[..data.len() - rest.len()].ends_with(b"\n"));
        }
        if let Some(rest) = whole.1 {
            assert!(data.ends_with(&rest));
        }
    }
}

fn services(names: [&'static str; 2]) -> Services {
    Services::new(vec![Schema::new(names[0], 1), Schema::new(names[1], 2)]).expect("the names differ")
}

/// Identity of a side that serves two services. `requires`: `true` if it requires two, too.
fn identity(is_host: bool, requires: bool) -> Identity<'static> {
    let required = |names| if requires { services(names) } else { Services::default() };
    let (of_worker, of_host) = (["Store", "Journal"], ["Progress", "Clock"]);
    let (services, host_services) = if is_host {
        (required(of_worker), services(of_host))
    } else {
        (services(of_worker), required(of_host))
    };
    let (limits, admission) = (Limits::default(), Admission::WORKER);
    let features = Features::of_host(is_host);
    Identity {
        codec: "json",
        transport: "unix-socket",
        services,
        pid: 1,
        limits,
        admission,
        features,
        host_services,
        sandbox: (!is_host).then_some("1 file-read tcp"),
    }
}

/// Returns the bytes after the worker's line. `None` if the host refuses the line.
fn host(data: &[u8], piece: usize, is_strict: bool) -> Option<Vec<u8>> {
    let mut handshake = HostHandshake::new(identity(true, is_strict), "", None);
    let mut rest = data;
    loop {
        match handshake.handle_input() {
            Ok(Some(behind)) => {
                assert!(handshake.terms().peer_services.len() <= Services::MAX);
                return Some([&behind, rest].concat());
            }
            Ok(None) => handshake.input().extend_from_slice(next(&mut rest, piece)?),
            Err(_) => return None,
        }
    }
}

/// Returns the bytes after the host's line and its startup data. `None` if the worker refuses them.
fn worker(data: &[u8], piece: usize, is_strict: bool) -> Option<Vec<u8>> {
    let mut token = None;
    let mut handshake = WorkerHandshake::new(identity(false, is_strict), &mut token, MAX_STARTUP_BYTES);
    let mut rest = data;
    loop {
        match handshake.handle_input() {
            Ok(Some(greeting)) => {
                assert!(greeting.terms().peer_services.len() <= Services::MAX);
                let (_, behind) = greeting.accept();
                return Some([&behind, rest].concat());
            }
            Ok(None) => handshake.input().extend_from_slice(next(&mut rest, piece)?),
            Err(_) => return None,
        }
    }
}

fn next<'a>(rest: &mut &'a [u8], piece: usize) -> Option<&'a [u8]> {
    let (next, behind) = rest.split_at(piece.min(rest.len()));
    *rest = behind;
    (!next.is_empty()).then_some(next)
}
