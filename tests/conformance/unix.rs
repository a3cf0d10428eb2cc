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
