use isolated_workers::Program;
use isolated_workers::codec::Codec;
use isolated_workers::driver::Output;
use isolated_workers::host::{Builder, Latency};
use isolated_workers::sandbox::Sandbox;

/// Options that our stack is started with.
pub trait StartOptions {
    /// Argument of the child.
    const NAME: &str;

    /// Program of the child.
    fn child() -> Program {
        Program::current_exe().expect("this program")
    }

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

/// The default proposal for a sandbox.
pub struct CrashOnly;

impl StartOptions for CrashOnly {
    const NAME: &str = "crash-only";

    fn builder<C: Codec, T>(builder: Builder<Program, C, T>) -> Builder<Program, C, T> {
        builder.sandbox(Sandbox::crash_only())
    }
}

/// Every protection, in a worker that is the program of its host.
pub struct Confined;

impl StartOptions for Confined {
    const NAME: &str = "confined";

    fn builder<C: Codec, T>(builder: Builder<Program, C, T>) -> Builder<Program, C, T> {
        builder.sandbox(Sandbox::deny_all())
    }
}

/// Every protection, in a worker that a launcher executes.
pub struct ConfinedByLauncher;

impl StartOptions for ConfinedByLauncher {
    const NAME: &str = "confined-by-launcher";

    fn child() -> Program {
        Program::new(std::env::current_exe().expect("this program"))
    }

    fn builder<C: Codec, T>(builder: Builder<Program, C, T>) -> Builder<Program, C, T> {
        builder.sandbox(Sandbox::deny_all())
    }
}
