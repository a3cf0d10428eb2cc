//! The conformance suite, with every transport, codec and driver of the box, and with those of the examples. What is of
//! Unix only is in the module `unix`.

#[allow(dead_code, reason = "its `main` is that of the example")]
#[path = "../../examples/messagepack.rs"]
mod messagepack;
#[path = "../../examples/custom_codec/sealed.rs"]
mod sealed;
#[path = "../../examples/custom_transport/tcp.rs"]
mod tcp;
#[path = "../../examples/custom_transport/tokens.rs"]
mod tokens;
#[cfg(unix)]
mod unix;

use isolated_workers::testing::conformance::{Suite, SuiteRole};
use isolated_workers::testing::conformance_tests;
use isolated_workers::{
    Cbor, Compressed, InMemory, Json, NamedPipe, Output, Postcard, Program, Stdio, Thread,
};
use messagepack::MessagePack;
use sealed::Sealed;
use tcp::Tcp;

const WORKER: &str = env!("CARGO_BIN_EXE_conformance-worker");

/// JSON takes long over a large body where it is not optimised.
const JSON: usize = 1 << 20;

/// As does zlib, and a cipher.
const COMPRESSED: usize = 4 << 20;

fn args(transport: &str, codec: &str, role: SuiteRole) -> [String; 3] {
    [transport.to_owned(), codec.to_owned(), role.to_string()]
}

/// What a worker says that ends as its role wants it is not for the output of the tests.
fn program(transport: &'static str, codec: &'static str) -> impl Fn(SuiteRole) -> Program {
    move |role| Program::new(WORKER).args(args(transport, codec, role)).stderr(Output::Discard)
}

/// With the key of the conformance worker.
fn sealed() -> Sealed {
    Sealed([7; 32].into())
}

conformance_tests! {
    mod stdio_json = Suite::new(program("stdio", "json"), Json, Stdio).largest(JSON);
    mod stdio_postcard = Suite::new(program("stdio", "postcard"), Postcard, Stdio);
    mod stdio_cbor = Suite::new(program("stdio", "cbor"), Cbor, Stdio);
    mod stdio_compressed_postcard =
        Suite::new(program("stdio", "compressed+postcard"), Compressed::new(Postcard), Stdio).largest(COMPRESSED);
    mod named_pipe_json = Suite::new(program("named-pipe", "json"), Json, NamedPipe).largest(JSON);
    mod named_pipe_postcard = Suite::new(program("named-pipe", "postcard"), Postcard, NamedPipe);
    mod named_pipe_compressed_postcard =
        Suite::new(program("named-pipe", "compressed+postcard"), Compressed::new(Postcard), NamedPipe).largest(COMPRESSED);
    mod thread_json = Suite::new(|role| Thread::new(move || role.play(Json, InMemory)), Json, InMemory).largest(JSON);
    mod thread_postcard = Suite::new(|role| Thread::new(move || role.play(Postcard, InMemory)), Postcard, InMemory);

    mod custom_transport_json = Suite::new(program("tcp", "json"), Json, Tcp).largest(JSON);
    mod custom_transport_postcard = Suite::new(program("tcp", "postcard"), Postcard, Tcp);
    mod custom_codec_sealed = Suite::new(program("stdio", "sealed+postcard"), sealed(), Stdio).largest(COMPRESSED);
    mod custom_codec_messagepack = Suite::new(program("stdio", "messagepack"), MessagePack, Stdio).largest(JSON);
}
