//! Drivers start a worker, report its exit and kill it.

mod attach;
#[cfg(feature = "sandbox")]
mod confinement;
mod interpreter;
mod into_driver;
mod output;
mod process;
mod program;
mod scratch_dir;
mod test_entry;
mod thread;
mod wrapper;

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

use isolated_workers_core::{Crash, Error, ExitReason};
use isolated_workers_transport::Transport;

pub use self::attach::{Address, Attach, Attached, Dial};
pub use self::into_driver::IntoDriver;
pub use self::output::{Captured, Output};
pub use self::process::Process;
pub use self::program::Program;
#[doc(hidden)]
pub use self::test_entry::TestEntry;
pub use self::thread::{NoPid, RunningThread, Thread};
#[cfg(unix)]
use self::unix as system;
#[cfg(windows)]
use self::windows as system;
pub use self::wrapper::Wrapper;
use crate::launch::Launch;

/// Starts workers. A [`Program`] runs as a child process, a [`Thread`] in this process.
///
/// A custom driver starts something that calls `serve` with the data in [`Launch`], and reports its
/// exit.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot run a worker",
    note = "pass `Program::new(path)`, `Program::current_exe()?`, `Thread::new(|| ..)`, or a type that implements `Driver`"
)]
pub trait Driver: Send + Sync + 'static {
    /// Default transport of its workers.
    type Transport: Transport;
    /// Handle of a started worker.
    type Running: Running;

    /// Subject of error messages, such as the path of a program.
    fn subject(&self) -> String;

    /// Returns the default transport.
    fn transport(&self) -> Self::Transport;

    /// Token of a running worker. Default: `None`, and a new token is generated.
    fn token(&self) -> Option<&str> {
        None
    }

    /// Starts the worker. Requires a tokio runtime.
    ///
    /// # Errors
    /// `Spawn` with the cause if it could not be started.
    fn start(&self, launch: Launch) -> Result<Self::Running, Error>;
}

/// Handle of a started worker. Dropping it kills the worker.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a running worker",
    note = "use `Process` if the driver starts a `Program`, or implement `Running` for your own type"
)]
pub trait Running: Send + 'static {
    /// `u32` if the worker is a process, [`NoPid`] otherwise.
    type Pid: Into<Option<u32>> + Copy + Send + Sync + 'static;

    /// Process id.
    fn pid(&self) -> Self::Pid;

    /// Waits for the worker's exit, and for the end of its output if the host reads it. Returns at
    /// once if the worker has ended. Cancel-safe.
    fn wait(&mut self) -> impl Future<Output = ExitReason> + Send;

    /// Notifies the driver that the connection has ended, for a worker whose exit shows in no other
    /// way. Default: does nothing.
    fn connection_over(&mut self) {}

    /// Asks the worker to end, in a way that does not need its connection, such as a SIGTERM.
    /// Returns `false` if it cannot be asked. Default: returns `false`.
    fn terminate(&mut self) -> bool {
        false
    }

    /// Kills the worker. Does nothing if it has ended.
    fn kill(&mut self);

    /// Tail of the worker's standard error, if the driver keeps it. Called after the exit.
    fn last_words(&mut self) -> impl Future<Output = String> + Send {
        std::future::ready(String::new())
    }

    /// Output that [`Worker::stdout`](crate::Worker::stdout) and `stderr` return. Default: none.
    fn captured(&self) -> Captured {
        Captured::default()
    }

    /// Report of the confinement that the driver has set up, as
    /// [`Launch::sandbox`](crate::Launch) asks. Default: `None`, the driver cannot confine workers.
    #[cfg(feature = "sandbox")]
    fn sandbox(&self) -> Option<crate::sandbox::Report> {
        None
    }

    /// Adds details to a crash beyond its exit reason. Called once, after the exit. Default: adds
    /// the [last words](Self::last_words).
    fn explain(&mut self, crash: &mut Crash) -> impl Future<Output = ()> + Send {
        async { crash.stderr = self.last_words().await }
    }
}

/// Handle of a worker that can outlive its host.
#[diagnostic::on_unimplemented(
    message = "a worker of type `{Self}` cannot outlive its host",
    note = "`detach` requires a process, which a `Program` starts, and a transport that can reconnect"
)]
pub trait Detach: Running {
    /// Checks if the worker can be detached. Called before the worker is asked to linger.
    ///
    /// # Errors
    /// `Config` if the worker depends on its host.
    fn can_detach(&self) -> Result<(), Error>;

    /// Detaches the worker: dropping this handle no longer kills it. Called after the worker has
    /// confirmed that it no longer ends with its host.
    ///
    /// # Errors
    /// `Config` if the system refuses.
    fn detach(&mut self) -> Result<(), Error>;

    /// Takes back a worker after [`detach`](Self::detach): dropping this handle kills it again.
    /// Called if the caller was gone before it had the address of the worker.
    fn reclaim(&mut self);
}

/// Process id of a worker that is a process; see [`Running::Pid`].
#[diagnostic::on_unimplemented(
    message = "this worker is not a process: it has no process id and no standard streams",
    note = "`pid()`, `stdout()` and `stderr()` require a `Program`, or another driver that starts processes"
)]
pub trait ProcessId: Copy {
    /// Numeric process id.
    fn number(self) -> u32;
}

impl ProcessId for u32 {
    fn number(self) -> u32 {
        self
    }
}

/// Formats a process id for an error message, such as " (pid 17)". Empty if there is none.
pub(crate) fn in_parentheses(pid: impl Into<Option<u32>>) -> String {
    pid.into().map_or(String::new(), |pid| format!(" (pid {pid})"))
}
