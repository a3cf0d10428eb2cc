//! What runs a worker.

mod attach;
mod output;
mod process;
mod program;
mod thread;

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

use isolated_workers_codec::Codec;
use isolated_workers_core::{Crash, Error, ExitReason};
use isolated_workers_transport::{Inheritance, Transport};

pub use self::attach::{Address, Attach, Attached, Dial};
pub use self::output::{Captured, Output};
pub use self::process::Process;
pub use self::program::Program;
pub use self::thread::{NoPid, RunningThread, Thread};
#[cfg(unix)]
use self::unix as system;
#[cfg(windows)]
use self::windows as system;

/// Something that can run a worker: a [`Program`] runs it as a child process, a [`Thread`] in this one.
///
/// A driver of your own starts whatever ends up calling `serve` with what [`Launch`] holds, and tells when it ends.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot run a worker",
    note = "pass `Program::new(path)`, `Program::current_exe()?`, `Thread::new(|| ..)`, or a type that implements `Driver`"
)]
pub trait Driver: Send + Sync + 'static {
    /// The transport of workers for which none is chosen.
    type Transport: Transport;
    /// A worker that has been started.
    type Running: Running;

    /// What is run, for errors: the path of a program.
    fn subject(&self) -> String;

    /// The transport of workers for which none is chosen.
    fn transport(&self) -> Self::Transport;

    /// What the worker knows its hosts by, where it has been started before. The default is `None`: a new one is made
    /// up.
    fn token(&self) -> Option<&str> {
        None
    }

    /// Starts the worker. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// `Spawn` where it cannot be started, with the reason.
    fn start(&self, launch: Launch) -> Result<Self::Running, Error>;
}

/// A worker that has been started. Dropping it ends it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no running worker",
    note = "use `Process` where the driver starts a `Program`, or implement `Running` for a type of your own"
)]
pub trait Running: Send + 'static {
    /// `u32` where the worker is a process of its own, [`NoPid`] where it is none.
    type Pid: Into<Option<u32>> + Copy + Send + Sync + 'static;

    /// The id of its process.
    fn pid(&self) -> Self::Pid;

    /// QueueStats for its end, and for that of what it prints as far as the host reads it. Cancel-safe; once ended, it answers at
    /// once.
    fn wait(&mut self) -> impl Future<Output = ExitReason> + Send;

    /// Is told that the connection is over, for a worker whose end shows in nothing else.
    fn connection_over(&mut self) {}

    /// Ends it by force. Nothing happens where it has ended.
    fn kill(&mut self);

    /// The end of what it wrote to its standard error, where that is kept. Asked when it has ended.
    fn last_words(&mut self) -> impl Future<Output = String> + Send {
        std::future::ready(String::new())
    }

    /// What [`Worker::stdout`](crate::Worker::stdout) and `stderr` read, for a worker that is a process. The default is
    /// nothing.
    fn captured(&self) -> Captured {
        Captured::default()
    }

    /// Adds to a crash what is known here of it beyond how the worker ended. Asked once, when it has ended. The default
    /// adds the [last words](Self::last_words).
    fn explain(&mut self, crash: &mut Crash) -> impl Future<Output = ()> + Send {
        async { crash.stderr = self.last_words().await }
    }
}

/// A worker that can outlive its host.
#[diagnostic::on_unimplemented(
    message = "a worker that is run as `{Self}` cannot outlive its host",
    note = "`detach` is there for processes, which a `Program` runs, on a transport that can be reached again"
)]
pub trait Detach: Running {
    /// Whether it can be let go. Asked first: the worker is told only then that it is to stay.
    ///
    /// # Errors
    /// `Config` where it needs its host for something.
    fn can_detach(&self) -> Result<(), Error>;

    /// Lets it go: from now on, dropping this value does not end it. Called when the worker has confirmed that it stays.
    ///
    /// # Errors
    /// `Config` where the system refuses.
    fn detach(&mut self) -> Result<(), Error>;
}

/// The id of a process: what [`Running::Pid`] is where the worker is one.
#[diagnostic::on_unimplemented(
    message = "this worker is no process of its own: it has no id and no standard streams",
    note = "`pid()`, `stdout()` and `stderr()` are there for workers that are run by a `Program`, or by another driver that \
            starts processes"
)]
pub trait ProcessId: Copy {
    /// The number.
    fn number(self) -> u32;
}

impl ProcessId for u32 {
    fn number(self) -> u32 {
        self
    }
}

/// The id of a worker's process for the text of an error, where it has one: " (pid 17)".
pub(crate) fn in_parentheses(pid: impl Into<Option<u32>>) -> String {
    pid.into().map_or(String::new(), |pid| format!(" (pid {pid})"))
}

/// What a worker needs to find its host.
#[derive(Debug)]
#[non_exhaustive]
pub struct Launch {
    /// A variable of the environment and its value, for a worker that is a process.
    pub variable: (&'static str, String),
    /// What it is born with.
    pub inheritance: Inheritance,
}

impl Launch {
    pub(crate) fn new<T: Transport, C: Codec>(inheritance: Inheritance, handshake: bool) -> Self {
        let variable = crate::inherited::variable(T::NAME, C::ID, &inheritance.address, handshake);
        Self { variable, inheritance }
    }
}
