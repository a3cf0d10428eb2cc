//! Runtime of blocking workers, pools and calls. It has one thread, which starts at the first use
//! and ends with the process.

use std::cell::Cell;
use std::fmt;
use std::future::pending;
use std::io;
use std::pin::pin;
use std::process;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use isolated_workers_core::{Error, ErrorKind, Executed};
use tokio::runtime::{Builder, Handle};

thread_local! {
    /// `true` on the thread of the runtime.
    static IS_BACKGROUND: Cell<bool> = const { Cell::new(false) };

    /// Wakes this thread.
    static WAKER: Waker = Waker::from(Arc::new(Unpark(thread::current())));
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits on this thread for any future, for example for several calls at once.
///
/// The future is polled on this thread. Its timers, its I/O and the tasks that it spawns belong to
/// the runtime of blocking workers.
///
/// ```no_run
/// # use isolated_workers_core::Error;
/// # use isolated_workers_runtime::{Program, Worker, blocking};
/// # fn example() -> Result<(), Error> {
/// let worker = blocking::Worker::spawn(Worker::builder(Program::new("./worker")))?;
/// // A method that only the async handle has.
/// let address = blocking::block_on(worker.as_async().detach())??;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// - [`WouldDeadlock`](ErrorKind::WouldDeadlock) on the thread of that runtime, which must not
///   wait: in a handler of a callback that is an `async fn`.
/// - [`Spawn`](ErrorKind::Spawn) if the system refuses the thread.
/// - [`Closed`](ErrorKind::Closed) in a process that was forked after the first use, and if this
///   thread is ending: in an exit handler, or in the destructor of a thread-local variable.
pub fn block_on<F: Future>(future: F) -> Result<F::Output, Error> {
    wait("wait for a future", future)
}

/// Like [`block_on`]. `attempt`: what the program does, such as "call `add`".
///
/// # Errors
/// The same as [`block_on`].
pub(crate) fn wait<F: Future>(attempt: impl fmt::Display, future: F) -> Result<F::Output, Error> {
    let runtime = match runtime_to_wait_for() {
        Ok(runtime) => runtime,
        Err(obstacle) => return Err(obstacle.error(&attempt)),
    };
    let _context = runtime.enter();
    // The thread may be ending, and have dropped its variables.
    let waker = WAKER.try_with(Waker::clone);
    let waker = waker.unwrap_or_else(|_| Waker::from(Arc::new(Unpark(thread::current()))));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return Ok(output),
            Poll::Pending => thread::park(),
        }
    }
}

/// Reason why this thread cannot wait.
enum Obstacle {
    /// This is the thread of the runtime.
    Background,
    /// The thread ends, and the variables that a runtime needs are gone.
    EndingThread,
    /// The process was forked from the one that has the thread.
    Forked,
    NotStarted(io::Error),
}

fn runtime_to_wait_for() -> Result<&'static Handle, Obstacle> {
    if IS_BACKGROUND.get() {
        return Err(Obstacle::Background);
    }
    if Handle::try_current().is_err_and(|error| error.is_thread_local_destroyed()) {
        return Err(Obstacle::EndingThread);
    }
    let Runtime { handle, process } = runtime().map_err(Obstacle::NotStarted)?;
    if *process == process::id() { Ok(handle) } else { Err(Obstacle::Forked) }
}

impl Obstacle {
    #[cold]
    fn error(self, attempt: &dyn fmt::Display) -> Error {
        let (kind, cause, remedy) = match self {
            Self::NotStarted(error) => return not_started(attempt, error),
            Self::Background => (
                ErrorKind::WouldDeadlock,
                "a handler of a callback runs on the thread that receives the answer",
                "make the handler `#[message(blocking)]`, or use the async client in it",
            ),
            Self::EndingThread => (
                ErrorKind::Closed,
                "this thread is ending",
                "call before, and not in an exit handler or in the destructor of a thread-local variable",
            ),
            Self::Forked => (
                ErrorKind::Closed,
                "this process was forked from the one that has the thread for blocking calls",
                "use this library only after an `exec`, or for the first time after the fork",
            ),
        };
        Error::new(kind, format!("could not {attempt}: {cause}; {remedy}")).with_executed(Executed::No)
    }
}

#[cold]
fn not_started(attempt: &dyn fmt::Display, error: io::Error) -> Error {
    let remedy = "raise the limits of threads and descriptors (`ulimit -u`, `ulimit -n`)";
    let text = format!("could not {attempt}: the thread for blocking calls could not be started; {remedy}");
    Error::with_source(ErrorKind::Spawn, text, error).with_executed(Executed::No)
}

struct Runtime {
    handle: Handle,
    /// Id of the process that has its thread.
    process: u32,
}

/// Returns the runtime. The first use starts its thread. If that fails, the next use tries again.
fn runtime() -> io::Result<&'static Runtime> {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    static STARTING: Mutex<()> = Mutex::new(());
    if let Some(runtime) = RUNTIME.get() {
        return Ok(runtime);
    }
    let _starting = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(runtime) = RUNTIME.get() {
        return Ok(runtime);
    }
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    let run = move || {
        IS_BACKGROUND.set(true);
        runtime.block_on(pending::<()>());
    };
    thread::Builder::new().name("iw-blocking".to_owned()).spawn(run)?;
    Ok(RUNTIME.get_or_init(|| Runtime { handle, process: process::id() }))
}

/// Returns the runtime, for tasks. `attempt`: what the program does.
///
/// # Errors
/// `Spawn` if the system refuses its thread.
#[cfg(feature = "offload")]
pub(crate) fn handle(attempt: &str) -> Result<&'static Handle, Error> {
    runtime().map(|runtime| &runtime.handle).map_err(|error| not_started(&attempt, error))
}
