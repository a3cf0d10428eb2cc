//! Transports and a driver of Unix, and transports that move one byte per call on both sides.
//!
//! Other systems are too slow for byte-wise transports. The case `dribble` of every suite covers
//! the host's side.

#[allow(dead_code, reason = "its `main` is that of the example")]
#[path = "../../examples/custom_driver.rs"]
mod custom_driver;

use custom_driver::Niced;
use isolated_workers::codec::{Cbor, Compressed, Json, Postcard};
use isolated_workers::testing::{Dribble, conformance::Suite, conformance_tests};
use isolated_workers::transport::{SocketPair, UnixSocket};

use super::{MAX_COMPRESSED_BYTES, MAX_JSON_BYTES, WORKER, args, program};

/// Largest body if each byte takes one system call.
const MAX_DRIBBLED_BYTES: usize = 4 << 10;

conformance_tests! {
    mod unix_socket_json = Suite::new(program("unix-socket", "json"), Json, UnixSocket).largest(MAX_JSON_BYTES);
    mod unix_socket_postcard = Suite::new(program("unix-socket", "postcard"), Postcard, UnixSocket);
    mod unix_socket_cbor = Suite::new(program("unix-socket", "cbor"), Cbor, UnixSocket);
    mod unix_socket_compressed_json =
        Suite::new(program("unix-socket", "compressed+json"), Compressed::new(Json), UnixSocket).largest(MAX_JSON_BYTES);
    mod unix_socket_compressed_postcard =
        Suite::new(program("unix-socket", "compressed+postcard"), Compressed::new(Postcard), UnixSocket).largest(MAX_COMPRESSED_BYTES);
    mod worker_socket_json =
        Suite::new(program("worker-socket", "json"), Json, UnixSocket::bound_by_worker()).largest(MAX_JSON_BYTES);
    mod worker_socket_postcard =
        Suite::new(program("worker-socket", "postcard"), Postcard, UnixSocket::bound_by_worker());
    mod socket_pair_json = Suite::new(program("socket-pair", "json"), Json, SocketPair).largest(MAX_JSON_BYTES);
    mod socket_pair_postcard = Suite::new(program("socket-pair", "postcard"), Postcard, SocketPair);
    mod dribble_json =
        Suite::new(program("dribble", "json"), Json, Dribble::new(UnixSocket)).largest(MAX_DRIBBLED_BYTES);
    mod dribble_postcard =
        Suite::new(program("dribble", "postcard"), Postcard, Dribble::new(UnixSocket)).largest(MAX_DRIBBLED_BYTES);
    mod dribble_compressed_json =
        Suite::new(program("dribble", "compressed+json"), Compressed::new(Json), Dribble::new(UnixSocket)).largest(MAX_DRIBBLED_BYTES);
    mod custom_driver_json =
        Suite::new(|role| Niced::new(WORKER, args("unix-socket", "json", role)), Json, UnixSocket).largest(MAX_JSON_BYTES);
}

mod reconnect {
    use isolated_workers::testing::conformance::check;

    use super::*;

    #[test]
    fn unix_socket_json() {
        check(Suite::new(program("unix-socket", "json"), Json, UnixSocket).reconnect());
    }

    #[test]
    fn unix_socket_postcard() {
        check(Suite::new(program("unix-socket", "postcard"), Postcard, UnixSocket).reconnect());
    }

    #[test]
    fn unix_socket_at_json() {
        let folder = tempfile::tempdir().unwrap();
        let transport = UnixSocket::at(folder.path().join("socket"));
        check(Suite::new(program("unix-socket", "json"), Json, transport).reconnect());
    }

    #[test]
    fn worker_socket_json() {
        let transport = UnixSocket::bound_by_worker();
        check(Suite::new(program("worker-socket", "json"), Json, transport).reconnect());
    }

    #[test]
    fn dribble_json() {
        check(Suite::new(program("dribble", "json"), Json, Dribble::new(UnixSocket)).reconnect());
    }
}

/// Cases in a process in which SIGPIPE has its default action, which ends the process.
mod default_sigpipe {
    use isolated_workers::driver::Driver;
    use isolated_workers::testing::conformance::{SuiteRole, alone, check};
    use isolated_workers::transport::{NamedPipe, Stdio, Transport};

    use super::*;

    fn ends_of_workers<F, D, T>(test: &str, suite: Suite<F, Json, T>)
    where
        F: Fn(SuiteRole) -> D,
        D: Driver,
        T: Transport,
    {
        alone(test, || {
            // SAFETY: the default action runs no code of this process.
            #[expect(unsafe_code, reason = "the standard library has no safe function for it")]
            unsafe {
                libc::signal(libc::SIGPIPE, libc::SIG_DFL);
            }
            check(async {
                suite.vanishing_worker().await;
                suite.stopped_serving().await;
                suite.kill().await;
                suite.half_close().await;
            });
        });
    }

    macro_rules! transports {
        ($($name:ident: $word:literal, $transport:expr;)*) => {$(
            #[test]
            fn $name() {
                let test = concat!(module_path!(), "::", stringify!($name));
                ends_of_workers(test, Suite::new(program($word, "json"), Json, $transport));
            }
        )*};
    }

    transports! {
        unix_socket: "unix-socket", UnixSocket;
        socket_pair: "socket-pair", SocketPair;
        stdio: "stdio", Stdio;
        named_pipe: "named-pipe", NamedPipe;
        worker_socket: "worker-socket", UnixSocket::bound_by_worker();
    }
}
