use std::any::Any;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use isolated_workers_core::{Error, ErrorKind, ExitReason};
use isolated_workers_transport::InMemory;
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, timeout_at};

use super::{Driver, Launch, Running};

/// Time for a killed thread to reach its next await.
const KILL_TIMEOUT: Duration = Duration::from_millis(500);

/// Driver that runs a worker in this process, on its own thread and runtime.
///
/// Handlers, codec and middleware work as in a process, but without isolation: a crash or abort
/// ends the host, and a thread that does not await cannot be killed. 500 ms after a kill, the host
/// leaves such a thread behind, as [`ExitReason::Detached`]. Use this driver in tests and on
/// systems without processes.
///
/// ```no_run
/// # use isolated_workers_runtime::{serve, Thread, Worker};
/// # use isolated_workers_core::{Error, Request, Response, Schema};
/// # use isolated_workers_codec::Codec;
/// # use isolated_workers_middleware::Handler;
/// # struct Calculator;
/// # impl Handler for Calculator {
/// #     const SCHEMA: Schema = Schema::new("Calculator", 1);
/// #     async fn handle<C: Codec>(&self, _: &C, request: Request) -> Result<Response, Error> {
/// #         Err(isolated_workers_middleware::handler::unknown_message(&Self::SCHEMA, &request))
/// #     }
/// # }
/// # async fn example() -> Result<(), Error> {
/// let worker = Worker::builder(Thread::new(|| async { serve(Calculator).await })).spawn().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Thread {
    main: Arc<Main>,
    name: String,
}

/// Main function of the thread. Returns when the worker has finished serving or is killed.
type Main = dyn Fn(oneshot::Receiver<()>) -> Result<(), Error> + Send + Sync;

impl Thread {
    /// Runs `main`, which calls `serve`, on a new thread. The future of `main` need not be `Send`.
    pub fn new<F, Fut>(main: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), Error>> + 'static,
    {
        let run = move |mut killed: oneshot::Receiver<()>| {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| {
                    Error::with_source(
                        ErrorKind::Startup,
                        "could not build a tokio runtime for the worker's thread",
                        error,
                    )
                })?;
            runtime.block_on(async {
                tokio::select! {
                    served = main() => served,
                    _ = &mut killed => Ok(()),
                }
            })
        };
        Self { main: Arc::new(run), name: "worker".to_owned() }
    }

    /// Names the thread. Default: `worker`.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }
}

impl Driver for Thread {
    type Transport = InMemory;
    type Running = RunningThread;

    fn subject(&self) -> String {
        format!("on the thread `{}`", self.name)
    }

    fn transport(&self) -> InMemory {
        InMemory
    }

    fn start(&self, launch: Launch) -> Result<RunningThread, Error> {
        #[cfg(feature = "sandbox")]
        if launch.sandbox.is_some() {
            let why = "it is a thread of its host; use a `Program`, or remove `.sandbox(..)`";
            let text = format!("could not confine the worker {}: {why}", self.subject());
            return Err(Error::new(ErrorKind::Sandbox, text));
        }
        let (kill, killed) = oneshot::channel();
        let (end, ended) = watch::channel(None);
        let main = Arc::clone(&self.main);
        let run = move || {
            launch.set_for_this_thread();
            let served = std::panic::catch_unwind(AssertUnwindSafe(|| main(killed)));
            end.send_replace(Some(reason(served)));
        };
        let spawned = std::thread::Builder::new().name(self.name.clone()).spawn(run);
        spawned.map_err(|error| {
            Error::with_source(ErrorKind::Spawn, format!("could not start the thread `{}`", self.name), error)
        })?;
        Ok(RunningThread { kill: Some(kill), ended, left_at: None })
    }
}

fn reason(served: Result<Result<(), Error>, Box<dyn Any + Send>>) -> ExitReason {
    match served {
        Ok(Ok(())) => ExitReason::Exited(0),
        Ok(Err(error)) => {
            tracing::error!("a worker on a thread failed: {error:#}");
            ExitReason::Exited(1)
        }
        // Exit code of a program that panics.
        Err(_) => ExitReason::Exited(101),
    }
}

impl fmt::Debug for Thread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Thread").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Handle of a worker on a thread. Dropping it ends the thread at its next await.
#[derive(Debug)]
pub struct RunningThread {
    kill: Option<oneshot::Sender<()>>,
    ended: watch::Receiver<Option<ExitReason>>,
    /// Time at which the host leaves a killed thread behind.
    left_at: Option<Instant>,
}

impl Running for RunningThread {
    type Pid = NoPid;

    fn pid(&self) -> NoPid {
        NoPid
    }

    async fn wait(&mut self) -> ExitReason {
        let ended = self.ended.wait_for(Option::is_some);
        let ended = match self.left_at {
            None => ended.await,
            Some(left_at) => match timeout_at(left_at, ended).await {
                Ok(ended) => ended,
                Err(_) => return ExitReason::Detached,
            },
        };
        ended.ok().and_then(|reason| *reason).unwrap_or(ExitReason::Unknown)
    }

    fn kill(&mut self) {
        self.kill.take();
        self.left_at.get_or_insert_with(|| Instant::now() + KILL_TIMEOUT);
    }
}

/// Process id of a worker that is not a process.
#[derive(Clone, Copy, Debug)]
pub struct NoPid;

impl From<NoPid> for Option<u32> {
    fn from(_: NoPid) -> Self {
        None
    }
}
