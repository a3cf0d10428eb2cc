use isolated_workers::Program;
use isolated_workers::codec::Codec;
use isolated_workers::driver::Output;
use isolated_workers::host::{Builder, Latency};

/// Options that our stack is started with.
pub trait StartOptions {
    /// Argument of the child.
    const NAME: &str;

    fn program(program: Program) -> Program {
        program
    }

    fn builder<C: Codec, T>(builder: Builder<Program, C, T>) -> Builder<Program, C, T> {
        builder
    }
}

pub struct DefaultOptions;

impl StartOptions for DefaultOptions {
    const NAME: &str = "default";
}

/// The worker writes to the host's standard error directly.
pub struct WithoutStderrCapture;

impl StartOptions for WithoutStderrCapture {
    const NAME: &str = "without-stderr-capture";

    fn program(program: Program) -> Program {
        program.stderr(Output::Inherit)
    }
}

/// Host and worker exchange no handshake.
pub struct WithoutHandshake;

impl StartOptions for WithoutHandshake {
    const NAME: &str = "without-handshake";

    fn builder<C: Codec, T>(builder: Builder<Program, C, T>) -> Builder<Program, C, T> {
        builder.without_handshake()
    }
}

/// Neither side looks for input before it sleeps.
pub struct Frugal;

impl StartOptions for Frugal {
    const NAME: &str = "frugal";

    fn builder<C: Codec, T>(builder: Builder<Program, C, T>) -> Builder<Program, C, T> {
        builder.latency(Latency::Frugal)
    }
}
