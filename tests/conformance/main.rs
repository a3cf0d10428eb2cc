//! The conformance suite, with every transport, codec and driver of the box, and with those of the examples.

#[allow(dead_code, reason = "its `main` is that of the example")]
#[path = "../../examples/custom_driver.rs"]
mod custom_driver;
#[allow(dead_code, reason = "its `main` is that of the example")]
#[path = "../../examples/custom_transport.rs"]
mod custom_transport;

use custom_driver::Niced;
use custom_transport::Tcp;
use isolated_workers::testing::conformance::{Role, Suite};
use isolated_workers::testing::{Dribble, conformance_tests};
use isolated_workers::{
    Cbor, Compressed, InMemory, Json, NamedPipe, Output, Postcard, Program, SocketPair, Stdio, Thread,
    UnixSocket,
};

const WORKER: &str = env!("CARGO_BIN_EXE_conformance-worker");

/// JSON takes long over a large body where it is not optimised.
const JSON: usize = 1 << 20;

/// As does zlib.
const COMPRESSED: usize = 4 << 20;

/// A system call a byte takes longer.
const DRIBBLED: usize = 4 << 10;

fn args(transport: &str, codec: &str, role: Role) -> [String; 3] {
    [transport.to_owned(), codec.to_owned(), role.to_string()]
}

/// What a worker says that ends as its role wants it is not for the output of the tests.
fn program(transport: &'static str, codec: &'static str) -> impl Fn(Role) -> Program {
    move |role| Program::new(WORKER).args(args(transport, codec, role)).stderr(Output::Discard)
}

conformance_tests! {
    mod unix_socket_json = Suite::new(program("unix-socket", "json"), Json, UnixSocket).largest(JSON);
    mod unix_socket_postcard = Suite::new(program("unix-socket", "postcard"), Postcard, UnixSocket);
    mod unix_socket_cbor = Suite::new(program("unix-socket", "cbor"), Cbor, UnixSocket);
    mod unix_socket_compressed_json =
        Suite::new(program("unix-socket", "compressed+json"), Compressed::new(Json), UnixSocket).largest(JSON);
    mod unix_socket_compressed_postcard =
        Suite::new(program("unix-socket", "compressed+postcard"), Compressed::new(Postcard), UnixSocket).largest(COMPRESSED);
    mod socket_pair_json = Suite::new(program("socket-pair", "json"), Json, SocketPair).largest(JSON);
    mod socket_pair_postcard = Suite::new(program("socket-pair", "postcard"), Postcard, SocketPair);
    mod socket_pair_cbor = Suite::new(program("socket-pair", "cbor"), Cbor, SocketPair);
    mod stdio_json = Suite::new(program("stdio", "json"), Json, Stdio).largest(JSON);
    mod stdio_postcard = Suite::new(program("stdio", "postcard"), Postcard, Stdio);
    mod named_pipe_json = Suite::new(program("named-pipe", "json"), Json, NamedPipe).largest(JSON);
    mod named_pipe_postcard = Suite::new(program("named-pipe", "postcard"), Postcard, NamedPipe);
    mod named_pipe_compressed_postcard =
        Suite::new(program("named-pipe", "compressed+postcard"), Compressed::new(Postcard), NamedPipe).largest(COMPRESSED);
    mod thread_json = Suite::new(|role| Thread::new(move || role.play(Json, InMemory)), Json, InMemory).largest(JSON);
    mod thread_postcard = Suite::new(|role| Thread::new(move || role.play(Postcard, InMemory)), Postcard, InMemory);

    mod worker_socket_json =
        Suite::new(program("worker-socket", "json"), Json, UnixSocket::bound_by_worker()).largest(JSON);
    mod worker_socket_postcard =
        Suite::new(program("worker-socket", "postcard"), Postcard, UnixSocket::bound_by_worker());

    mod dribble_json =
        Suite::new(program("dribble", "json"), Json, Dribble::new(UnixSocket)).largest(DRIBBLED);
    mod dribble_postcard =
        Suite::new(program("dribble", "postcard"), Postcard, Dribble::new(UnixSocket)).largest(DRIBBLED);
    mod dribble_cbor =
        Suite::new(program("dribble", "cbor"), Cbor, Dribble::new(UnixSocket)).largest(DRIBBLED);
    mod dribble_compressed_json =
        Suite::new(program("dribble", "compressed+json"), Compressed::new(Json), Dribble::new(UnixSocket)).largest(DRIBBLED);

    mod custom_transport_json = Suite::new(program("tcp", "json"), Json, Tcp).largest(JSON);
    mod custom_transport_postcard = Suite::new(program("tcp", "postcard"), Postcard, Tcp);
    mod custom_driver_json =
        Suite::new(|role| Niced::new(WORKER, args("unix-socket", "json", role)), Json, UnixSocket).largest(JSON);
}
