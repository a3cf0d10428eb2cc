use isolated_workers::Program;
use isolated_workers::codec::Codec;
use isolated_workers::driver::Output;
use isolated_workers::host::Builder;

/// How our stack is started.
pub trait StartOptions {
    /// What the child is told.
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
    const NAME: &str = "usual";
}

/// What it writes to its standard error does not go through the host.
pub struct WithoutStderrCapture;

impl StartOptions for WithoutStderrCapture {
    const NAME: &str = "unheard";

    fn program(program: Program) -> Program {
        program.stderr(Output::Inherit)
    }
}

/// Without a handshake.
pub struct WithoutHandshake;

impl StartOptions for WithoutHandshake {
    const NAME: &str = "unasked";

    fn builder<C: Codec, T>(builder: Builder<Program, C, T>) -> Builder<Program, C, T> {
        builder.without_handshake()
    }
}
