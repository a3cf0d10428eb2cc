use isolated_workers::Program;
use isolated_workers::codec::Codec;
use isolated_workers::driver::Output;
use isolated_workers::host::Builder;

/// How our stack is started.
pub trait Way {
    /// What the child is told.
    const NAME: &str;

    fn program(program: Program) -> Program {
        program
    }

    fn builder<C: Codec, T>(builder: Builder<Program, C, T>) -> Builder<Program, C, T> {
        builder
    }
}

pub struct Usual;

impl Way for Usual {
    const NAME: &str = "usual";
}

/// What it writes to its standard error does not go through the host.
pub struct Unheard;

impl Way for Unheard {
    const NAME: &str = "unheard";

    fn program(program: Program) -> Program {
        program.stderr(Output::Inherit)
    }
}

/// Without a handshake.
pub struct Unasked;

impl Way for Unasked {
    const NAME: &str = "unasked";

    fn builder<C: Codec, T>(builder: Builder<Program, C, T>) -> Builder<Program, C, T> {
        builder.without_handshake()
    }
}
