use isolated_workers_codec::{Codec, DefaultCodec};
use isolated_workers_core::{Error, ExitReason};
use isolated_workers_middleware::{BoxService, Layers, Service};
use isolated_workers_transport::{DefaultTransport, Reconnect, Transport};

use super::background;
use super::service::delegate_to_handle;
use crate::driver::{Driver, ProcessId, Running};
use crate::{Builder, HostHandler, Link, Program, Status};

/// Worker for a program without a runtime. Its methods wait on the thread that calls them.
///
/// It is the handle of a [`Worker`](crate::Worker) whose tasks run on a thread of the library. All
/// blocking workers and pools of a process share that thread. Any number of threads may call: each
/// encodes and decodes its own messages.
///
/// Clones are cheap and refer to the same worker. The worker is closed when the last clone is
/// dropped, and does not outlive this process.
///
/// ```no_run
/// # use isolated_workers_core::{Error, Message, Never};
/// # use isolated_workers_runtime::{Program, Worker, blocking};
/// # #[derive(serde::Serialize, serde::Deserialize)]
/// # struct Add { a: i64, b: i64 }
/// # impl Message for Add {
/// #     type Reply = i64;
/// #     type Error = Never;
/// #     const NAME: &'static str = "add";
/// # }
/// fn main() -> Result<(), Error> {
///     let worker = blocking::Worker::spawn(Worker::builder(Program::new("./calculator")))?;
///     // With a client from `#[service]`: `CalculatorBlockingClient::new(&worker).add(2, 3)?`.
///     let sum: i64 = blocking::send::<_, _, Error>(&worker, Add { a: 2, b: 3 })?;
///     assert_eq!(sum, 5);
///     worker.close()
/// }
/// ```
///
/// # Threads of an async runtime
/// A method that waits holds its thread. In async code, use it within tokio's `spawn_blocking`, or
/// use a [`Worker`](crate::Worker) instead.
pub struct Worker<S: Service = Link<DefaultCodec>, T = DefaultTransport, D: Driver = Program>(
    crate::Worker<S, T, D>,
);

impl Worker {
    /// Starts a worker and waits until it is ready for calls.
    ///
    /// The builder is that of [`Worker::builder`](crate::Worker::builder). Callbacks of
    /// [`Builder::serve`](crate::Builder::serve) run on the thread of the library: write those that
    /// wait or compute as `#[message(blocking)]`.
    ///
    /// # Errors
    /// Errors of [`Builder::spawn`](crate::Builder::spawn) and [`block_on`](super::block_on).
    #[allow(clippy::type_complexity)]
    pub fn spawn<D, C, T, L, H>(
        builder: Builder<D, C, T, L, H>,
    ) -> Result<Worker<L::Service<Link<C>>, T, D>, Error>
    where
        D: Driver,
        C: Codec,
        T: Transport,
        L: Layers,
        H: HostHandler,
    {
        background::wait("start a worker", builder.spawn())?.map(Worker)
    }
}

impl<S: Service, T: Send + Sync, D: Driver> Worker<S, T, D> {
    /// Returns the async handle, for what only it has. [`block_on`](super::block_on) waits for its
    /// futures.
    pub fn as_async(&self) -> &crate::Worker<S, T, D> {
        &self.0
    }

    /// Erases the layers from the type, so that the worker can be stored in a field:
    /// `blocking::Worker<BoxService>`.
    pub fn boxed(&self) -> Worker<BoxService<S::Codec>, T, D>
    where
        S: 'static,
    {
        Worker(self.0.boxed())
    }

    /// Process id of the worker. It changes with each respawn.
    pub fn pid(&self) -> u32
    where
        <D::Running as Running>::Pid: ProcessId,
    {
        self.0.pid()
    }

    /// Last 64 KiB of the worker's standard output, as text. See
    /// [`stdout`](crate::Worker::stdout) of the async handle.
    pub fn stdout(&self) -> String
    where
        <D::Running as Running>::Pid: ProcessId,
    {
        self.0.stdout()
    }

    /// Last 64 KiB of the worker's standard error, as text.
    pub fn stderr(&self) -> String
    where
        <D::Running as Running>::Pid: ProcessId,
    {
        self.0.stderr()
    }

    /// Current state of the worker.
    pub fn status(&self) -> Status {
        *self.0.status().borrow()
    }

    /// Returns `true` if the worker runs and no stop was requested.
    pub fn is_active(&self) -> bool {
        self.0.is_active()
    }

    /// Returns `true` if there is a connection to the worker.
    pub fn is_connected(&self) -> bool {
        self.0.is_connected()
    }

    /// Finishes the calls in flight, and ends the worker. See [`drain`](crate::Worker::drain) of
    /// the async handle.
    ///
    /// # Errors
    /// `Closed` if the worker had to be killed. `WouldDeadlock` in a handler of a callback.
    pub fn drain(&self) -> Result<(), Error> {
        background::wait("drain the worker", self.0.drain())?
    }

    /// Shuts the worker down and waits until its process has ended. Calls in flight fail. See
    /// [`close`](crate::Worker::close) of the async handle.
    ///
    /// # Errors
    /// `Closed` if the worker had to be killed. `WouldDeadlock` in a handler of a callback that is
    /// an `async fn`.
    pub fn close(&self) -> Result<(), Error> {
        background::wait("close the worker", self.0.close())?
    }

    /// Kills the worker and all processes of its group at once, without waiting.
    pub fn kill(&self) {
        self.0.kill();
    }

    /// Waits until the worker has ended, and returns the reason.
    ///
    /// # Errors
    /// `WouldDeadlock` in a handler of a callback that is an `async fn`.
    pub fn closed(&self) -> Result<ExitReason, Error> {
        background::wait("wait for the end of the worker", self.0.closed())
    }

    /// Ends the connection and keeps the worker running, with its state.
    ///
    /// # Errors
    /// Errors of [`disconnect`](crate::Worker::disconnect) of the async handle.
    pub fn disconnect(&self) -> Result<(), Error>
    where
        T: Reconnect,
    {
        background::wait("disconnect the worker", self.0.disconnect())?
    }

    /// Reconnects to a disconnected worker.
    ///
    /// # Errors
    /// Errors of [`reconnect`](crate::Worker::reconnect) of the async handle.
    pub fn reconnect(&self) -> Result<(), Error>
    where
        T: Reconnect,
    {
        background::wait("reconnect to the worker", self.0.reconnect())?
    }
}

delegate_to_handle!(
    [S: Service, T: Send + Sync, D: Driver] [S: Service, T, D: Driver]
    Worker<S, T, D> => crate::Worker<S, T, D>
);
