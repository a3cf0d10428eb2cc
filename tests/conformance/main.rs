//! Conformance suite for every built-in transport, codec and driver, and for those of the examples.
//! The module `unix` contains the cases that only Unix can run.

#[allow(dead_code, reason = "its `main` is that of the example")]
#[path = "../../examples/messagepack/src/main.rs"]
mod messagepack;
#[path = "../../examples/custom_codec/src/sealed.rs"]
mod sealed;
#[path = "../../examples/custom_transport/tcp.rs"]
mod tcp;
#[path = "../../examples/custom_transport/tokens.rs"]
mod tokens;
#[cfg(unix)]
mod unix;

use isolated_workers::Program;
use isolated_workers::codec::{Cbor, Compressed, Json, Postcard};
use isolated_workers::driver::{Output, Thread};
use isolated_workers::testing::conformance::{Suite, SuiteRole};
use isolated_workers::testing::conformance_tests;
use isolated_workers::transport::{InMemory, NamedPipe, Stdio};
use messagepack::MessagePack;
use sealed::Sealed;
use tcp::Tcp;

const WORKER: &str = env!("CARGO_BIN_EXE_conformance-worker");

/// Largest body for JSON, which is slow in a debug build.
const MAX_JSON_BYTES: usize = 1 << 20;

/// Largest body for zlib and ciphers, which are slow in a debug build.
const MAX_COMPRESSED_BYTES: usize = 4 << 20;

fn args(transport: &str, codec: &str, role: SuiteRole) -> [String; 3] {
    [transport.to_owned(), codec.to_owned(), role.to_string()]
}

/// Program of the conformance worker. Standard error is discarded, because some roles fail on
/// purpose.
fn program(transport: &'static str, codec: &'static str) -> impl Fn(SuiteRole) -> Program {
    move |role| Program::new(WORKER).args(args(transport, codec, role)).stderr(Output::Discard)
}

/// The sealed codec with the key of the conformance worker.
fn sealed() -> Sealed {
    Sealed([7; 32].into())
}

conformance_tests! {
    mod stdio_json = Suite::new(program("stdio", "json"), Json, Stdio).largest(MAX_JSON_BYTES);
    mod stdio_postcard = Suite::new(program("stdio", "postcard"), Postcard, Stdio);
    mod stdio_cbor = Suite::new(program("stdio", "cbor"), Cbor, Stdio);
    mod stdio_compressed_postcard =
        Suite::new(program("stdio", "compressed+postcard"), Compressed::new(Postcard), Stdio).largest(MAX_COMPRESSED_BYTES);
    mod named_pipe_json = Suite::new(program("named-pipe", "json"), Json, NamedPipe).largest(MAX_JSON_BYTES);
    mod named_pipe_postcard = Suite::new(program("named-pipe", "postcard"), Postcard, NamedPipe);
    mod named_pipe_compressed_postcard =
        Suite::new(program("named-pipe", "compressed+postcard"), Compressed::new(Postcard), NamedPipe).largest(MAX_COMPRESSED_BYTES);
    mod thread_json = Suite::new(|role| Thread::new(move || role.play(Json, InMemory)), Json, InMemory).largest(MAX_JSON_BYTES);
    mod thread_postcard = Suite::new(|role| Thread::new(move || role.play(Postcard, InMemory)), Postcard, InMemory);

    mod custom_transport_json = Suite::new(program("tcp", "json"), Json, Tcp).largest(MAX_JSON_BYTES);
    mod custom_transport_postcard = Suite::new(program("tcp", "postcard"), Postcard, Tcp);
    mod custom_codec_sealed = Suite::new(program("stdio", "sealed+postcard"), sealed(), Stdio).largest(MAX_COMPRESSED_BYTES);
    mod custom_codec_messagepack = Suite::new(program("stdio", "messagepack"), MessagePack, Stdio).largest(MAX_JSON_BYTES);
}

#[cfg(windows)]
#[test]
fn a_named_pipe_reconnects() {
    let suite = Suite::new(program("named-pipe", "json"), Json, NamedPipe);
    isolated_workers::testing::conformance::check(suite.reconnect());
}
