//! Arbitrary bytes as the peer's handshake line, on the host and on the worker.

use isolated_workers_core::protocol::Admission;
use isolated_workers_core::protocol::handshake::{Features, HostHandshake, Identity, WorkerHandshake};
use isolated_workers_core::{Limits, Schema};

const MAX_STARTUP_BYTES: usize = 1 << 16;

/// Checks that the bytes give the same result at once and byte by byte, and that the bytes after
/// the handshake are kept.
pub fn check(data: &[u8]) {
    let whole = (host(data, data.len().max(1)), worker(data, data.len().max(1)));
    assert_eq!(whole, (host(data, 1), worker(data, 1)));
    if let Some(rest) = whole.0 {
        assert!(data.ends_with(&rest) && data[..data.len() - rest.len()].ends_with(b"\n"));
    }
    if let Some(rest) = whole.1 {
        assert!(data.ends_with(&rest));
    }
}

fn identity() -> Identity<'static> {
    let service = Some(Schema::new("Calculator", 1));
    let (limits, admission) = (Limits::default(), Admission::WORKER);
    let (features, host_service) = (Features::of_host(true), Some(Schema::new("Progress", 1)));
    Identity {
        codec: "json",
        transport: "unix-socket",
        service,
        pid: 1,
        limits,
        admission,
        features,
        host_service,
    }
}

/// Returns the bytes after the worker's line. `None` if the host refuses the line.
fn host(data: &[u8], piece: usize) -> Option<Vec<u8>> {
    let mut handshake = HostHandshake::new(identity(), "", None);
    let mut rest = data;
    loop {
        match handshake.handle_input() {
            Ok(Some(behind)) => return Some([&behind, rest].concat()),
            Ok(None) => handshake.input().extend_from_slice(next(&mut rest, piece)?),
            Err(_) => return None,
        }
    }
}

/// Returns the bytes after the host's line and its startup data. `None` if the worker refuses them.
fn worker(data: &[u8], piece: usize) -> Option<Vec<u8>> {
    let mut token = None;
    let mut handshake = WorkerHandshake::new(identity(), &mut token, MAX_STARTUP_BYTES);
    let mut rest = data;
    loop {
        match handshake.handle_input() {
            Ok(Some(greeting)) => {
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
