//! The transports of Unix, and a driver whose program is found there only. And one byte a call on both sides, for which
//! other systems take too long; the case `dribble` of every suite does so on the host's.

#[allow(dead_code, reason = "its `main` is that of the example")]
#[path = "../../examples/custom_driver.rs"]
mod custom_driver;

use custom_driver::Niced;
use isolated_workers::testing::{Dribble, conformance::Suite, conformance_tests};
use isolated_workers::{Cbor, Compressed, Json, Postcard, SocketPair, UnixSocket};

use super::{COMPRESSED, JSON, WORKER, args, program};

/// A system call a byte takes long.
const DRIBBLED: usize = 4 << 10;

conformance_tests! {
    mod unix_socket_json = Suite::new(program("unix-socket", "json"), Json, UnixSocket).largest(JSON);
    mod unix_socket_postcard = Suite::new(program("unix-socket", "postcard"), Postcard, UnixSocket);
    mod unix_socket_cbor = Suite::new(program("unix-socket", "cbor"), Cbor, UnixSocket);
    mod unix_socket_compressed_json =
        Suite::new(program("unix-socket", "compressed+json"), Compressed::new(Json), UnixSocket).largest(JSON);
    mod unix_socket_compressed_postcard =
        Suite::new(program("unix-socket", "compressed+postcard"), Compressed::new(Postcard), UnixSocket).largest(COMPRESSED);
    mod worker_socket_json =
        Suite::new(program("worker-socket", "json"), Json, UnixSocket::bound_by_worker()).largest(JSON);
    mod worker_socket_postcard =
        Suite::new(program("worker-socket", "postcard"), Postcard, UnixSocket::bound_by_worker());
    mod socket_pair_json = Suite::new(program("socket-pair", "json"), Json, SocketPair).largest(JSON);
    mod socket_pair_postcard = Suite::new(program("socket-pair", "postcard"), Postcard, SocketPair);
    mod dribble_json =
        Suite::new(program("dribble", "json"), Json, Dribble::new(UnixSocket)).largest(DRIBBLED);
    mod dribble_postcard =
        Suite::new(program("dribble", "postcard"), Postcard, Dribble::new(UnixSocket)).largest(DRIBBLED);
    mod dribble_compressed_json =
        Suite::new(program("dribble", "compressed+json"), Compressed::new(Json), Dribble::new(UnixSocket)).largest(DRIBBLED);
    mod custom_driver_json =
        Suite::new(|role| Niced::new(WORKER, args("unix-socket", "json", role)), Json, UnixSocket).largest(JSON);
}
