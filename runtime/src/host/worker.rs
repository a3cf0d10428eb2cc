use std::fmt;
use std::sync::{Arc, PoisonError};

use futures_util::future::Either;
use isolated_workers_codec::{BodyLimit, Codec, DefaultCodec};
use isolated_workers_core::{Error, ErrorKind, ExitReason, Request, Response};
use isolated_workers_middleware::{BoxService, Layers, Service, call_chain};
use isolated_workers_transport::{DefaultTransport, Reconnect, Transport};
use tokio::sync::watch;

use crate::driver::{Address, Detach, Driver, IntoDriver, ProcessId, Running, in_parentheses};
use crate::host::attempts;
use crate::host::starter::Starter;
use crate::host::supervisor::{
    self, Command, Connect, Dial, Release, StopRequest, SupervisorHandle, WorkerConnection,
};
use crate::{Builder, HostHandler, Lifecycle, Link, Program, Status};

/// Handle of a running worker: a [`Service`], with the middleware of its builder.
///
/// Clones are cheap and refer to the same worker. The worker is closed when the last clone is
/// dropped, and does not outlive this process.
///
/// `S` is the service that carries the calls: a [`Link`] with the middleware around it. `T` is the
/// transport and `D` the driver. A method exists only if `T` and `D` support it.
pub struct Worker<S: Service = Link<DefaultCodec>, T = DefaultTransport, D: Driver = Program> {
    service: Arc<S>,
    shared: Arc<WorkerShared<S::Codec, T, D>>,
}

/// Parts of a worker that do not depend on its layers. Dropping them closes the worker.
struct WorkerShared<C: Codec, T, D: Driver> {
    supervisor: SupervisorHandle<D::Running, C>,
    starter: Arc<Starter<D, C, T>>,
    link: Link<C>,
}

type Pid<D> = <<D as Driver>::Running as Running>::Pid;

impl Worker {
    /// Configures a worker that `driver`, usually a [`Program`], runs. [`Builder::spawn`] starts
    /// it.
    // With `D::Transport` instead of `T`, the compiler would report a type that is no driver twice.
    pub fn builder<A, D, T, K>(driver: A) -> Builder<D, DefaultCodec, T>
    where
        A: IntoDriver<K, Driver = D>,
        D: Driver<Transport = T>,
        T: Transport,
    {
        Builder::new(driver.into_driver())
    }
}

impl<D: Driver, C: Codec, T: Transport, L: Layers, H: HostHandler> Builder<D, C, T, L, H> {
    /// Starts the worker and waits until it is ready for calls.
    ///
    /// Requires a tokio runtime with I/O and time enabled. Leaves nothing behind if it fails or if
    /// its future is dropped.
    ///
    /// # Errors
    /// - `Config`: a setting is invalid.
    /// - `Encode`, `TooLarge`: the startup data cannot be encoded, or exceeds the limit.
    /// - `Spawn`: the process could not be started.
    /// - `Startup`: the process exited, was not ready within the startup timeout, or could not use
    ///   its startup data.
    /// - `Handshake`: host and worker differ in protocol, codec, transport or service.
    /// - `Sandbox`: the worker cannot be confined as its sandbox asks.
    pub async fn spawn(self) -> Result<Worker<L::Service<Link<C>>, T, D>, Error> {
        let (starter, layers, ids) = self.into_parts()?;
        let link = starter.link(ids);
        let control = supervisor::launch(&starter, link.clone()).await?;
        Ok(Worker::new(layers.wrap(link.clone()), control, starter, link))
    }
}

// The bounds are on the methods, not on the block, so that the compiler shows our diagnostics.
impl<S: Service, T, D: Driver> Worker<S, T, D> {
    pub(crate) fn new(
        service: S,
        supervisor: SupervisorHandle<D::Running, S::Codec>,
        starter: Arc<Starter<D, S::Codec, T>>,
        link: Link<S::Codec>,
    ) -> Self {
        Self { service: Arc::new(service), shared: Arc::new(WorkerShared { supervisor, starter, link }) }
    }

    /// Erases the layers from the type, so that the worker can be stored in a field:
    /// `Worker<BoxService>`. `pid`, `status`, `close` and all other methods remain available.
    ///
    /// Each call then costs one allocation for its future.
    pub fn boxed(&self) -> Worker<BoxService<S::Codec>, T, D>
    where
        S: 'static,
    {
        Worker {
            service: Arc::new(BoxService::new(Arc::clone(&self.service))),
            shared: Arc::clone(&self.shared),
        }
    }

    /// Process id of the worker. It changes with each respawn. After the worker has
    /// [ended](Self::closed), the system may reuse it.
    pub fn pid(&self) -> u32
    where
        Pid<D>: ProcessId,
    {
        self.shared.supervisor.identity().pid.number()
    }

    /// Last 64 KiB of the worker's standard output, as text.
    ///
    /// With [`Output::Capture`] the text is complete once the worker has [ended](Self::closed). It
    /// is empty with [`Output::Inherit`] and [`Output::Discard`]. Bytes that are not UTF-8 become
    /// `\u{fffd}`.
    ///
    /// ```no_run
    /// # use isolated_workers_core::Error;
    /// # use isolated_workers_runtime::{Output, Program, Worker};
    /// # async fn example() -> Result<(), Error> {
    /// let program = Program::new("./thumbnailer").stdout(Output::Capture);
    /// let worker = Worker::builder(program).spawn().await?;
    /// worker.close().await?;
    /// println!("it said {}", worker.stdout());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// [`Output::Capture`]: crate::Output::Capture
    /// [`Output::Inherit`]: crate::Output::Inherit
    /// [`Output::Discard`]: crate::Output::Discard
    pub fn stdout(&self) -> String
    where
        Pid<D>: ProcessId,
    {
        self.shared.supervisor.identity().captured.stdout()
    }

    /// Last 64 KiB of the worker's standard error, as text. See [`stdout`](Self::stdout).
    pub fn stderr(&self) -> String
    where
        Pid<D>: ProcessId,
    {
        self.shared.supervisor.identity().captured.stderr()
    }

    /// Report of what confines the worker, as its [sandbox](crate::Builder::sandbox) asks. Without
    /// one, all protections are disabled. For an [attached](crate::Attach) worker, it says what the
    /// worker announces.
    #[cfg(feature = "sandbox")]
    pub fn sandbox(&self) -> crate::sandbox::Report {
        self.shared.supervisor.identity().sandbox
    }

    /// Watches the worker's lifecycle state:
    ///
    /// ```no_run
    /// # use isolated_workers_runtime::{OnCrash, Program, Status, Worker};
    /// # async fn example() -> Result<(), isolated_workers_core::Error> {
    /// let worker = Worker::builder(Program::new("./worker")).on_crash(OnCrash::respawn()).spawn().await?;
    /// let mut status = worker.status();
    /// assert_eq!(*status.borrow(), Status::Active);
    /// let _ = status.wait_for(|status| *status == Status::Starting).await; // being respawned
    /// # Ok(())
    /// # }
    /// ```
    pub fn status(&self) -> watch::Receiver<Status> {
        self.shared.supervisor.status().clone()
    }

    /// Asks the worker what it can do. The question is a call, which passes the layers.
    ///
    /// # Errors
    /// The errors of [`describe::describe`](crate::describe::describe).
    pub async fn describe(&self) -> Result<crate::describe::Description, Error>
    where
        T: Send + Sync,
    {
        crate::describe::describe(self).await
    }

    /// Returns `true` if the worker runs and no stop was requested. Returns `false` as soon as it
    /// is drained, closed, killed or found dead, and while it is being respawned. Use
    /// [`is_connected`](Self::is_connected) to check if calls reach it.
    pub fn is_active(&self) -> bool {
        self.shared.supervisor.is_active()
    }

    /// Returns `true` if there is a connection to the worker.
    pub fn is_connected(&self) -> bool {
        matches!(
            *self.shared.supervisor.status().borrow(),
            Status::Connected | Status::Active | Status::Closing
        )
    }

    /// Finishes the calls in flight and the oneway messages of the worker, and ends it.
    ///
    /// Once no call is in flight, the worker must confirm within
    /// [`Timeouts::close`](crate::Timeouts::close) that it ends, or it is killed. It is closed if
    /// its oneway messages take longer than [`Timeouts::drain`](crate::Timeouts::drain). Without a
    /// handshake, oneway messages are not waited for.
    ///
    /// New calls fail with [`Closed`](ErrorKind::Closed) and are not run. The calls in flight keep
    /// their timeouts; [`close`](Self::close) or [`kill`](Self::kill) ends the wait earlier.
    /// Cancel-safe: if the future is dropped, draining continues.
    ///
    /// # Errors
    /// `Closed` if the worker had to be killed. `WouldDeadlock` in a handler of a callback of this
    /// worker.
    pub async fn drain(&self) -> Result<(), Error> {
        let starter = &self.shared.starter;
        if let Some(callbacks) = &starter.callbacks {
            let attempt = || format!("drain the worker ({})", starter.driver.subject());
            call_chain::check_outside(&callbacks.id, attempt)?;
        }
        self.shared.supervisor.stop(StopRequest::Drain);
        self.ended().await
    }

    /// Shuts the worker down and waits until its process has ended.
    ///
    /// Calls in flight fail with [`Closed`](ErrorKind::Closed). The worker receives a go-away. If
    /// it does not react within a second, or a fifth of
    /// [`Timeouts::close`](crate::Timeouts::close), it receives a SIGTERM. It is killed if it has
    /// not ended within that limit. A repeated call waits for the same shutdown. If the worker has
    /// ended, the call returns at once. Cancel-safe: if the future is dropped, the shutdown
    /// continues.
    ///
    /// # Errors
    /// `Closed` if the worker had to be killed.
    pub async fn close(&self) -> Result<(), Error> {
        self.shared.supervisor.stop(StopRequest::Close);
        self.ended().await
    }

    async fn ended(&self) -> Result<(), Error> {
        let exit = self.shared.supervisor.exit().await;
        let cause = match exit.reason {
            ExitReason::Abandoned => supervisor::ABANDONED,
            ExitReason::Survived => {
                "it did not end when it was killed; run the host as root or as the user of the worker"
            }
            _ if exit.killed_after_grace => {
                "it did not end in time and was killed; raise `Timeouts::close` to give it longer"
            }
            _ => return Ok(()),
        };
        let pid = in_parentheses(self.shared.supervisor.identity().pid);
        let text = format!("could not close the worker{pid} gracefully: {cause}");
        Err(Error::new(ErrorKind::Closed, text))
    }

    /// Kills the worker and all processes of its group at once. Calls in flight fail with
    /// [`Closed`](ErrorKind::Closed). [`closed`](Self::closed) returns when the process has ended.
    pub fn kill(&self) {
        self.shared.supervisor.stop(StopRequest::Kill);
    }

    /// Waits until the worker has ended, and returns the reason. Cancel-safe.
    ///
    /// If the host may not signal a worker that was killed, its connection is closed after a second,
    /// and the reason is [`Survived`](ExitReason::Survived) if it runs on 4 s later.
    pub async fn closed(&self) -> ExitReason {
        self.shared.supervisor.exit().await.reason
    }

    /// Ends the connection and keeps the worker running, with its state.
    ///
    /// Calls in flight, and calls made before [`reconnect`](Self::reconnect), fail with
    /// [`Closed`](ErrorKind::Closed). The worker lingers for
    /// [`Timeouts::disconnected`](crate::Timeouts::disconnected), then ends.
    ///
    /// # Errors
    /// - `Config`: the worker would have no address for a reconnect, for example because the
    ///   temporary folder is not writable. The worker stays connected.
    /// - `Closed`: the worker is already disconnected, is being restarted or closed, or has ended.
    /// - `Timeout`: the worker did not confirm within 5 s that it lingers, probably because its
    ///   runtime is busy. It counts as disconnected; a repeated call waits for the confirmation
    ///   again.
    /// - `Crashed`: the worker ended, or the connection broke.
    pub async fn disconnect(&self) -> Result<(), Error>
    where
        T: Reconnect,
    {
        self.shared.supervisor.command(Command::Disconnect).await
    }

    /// Reconnects to a disconnected worker. Cancel-safe: if the future is dropped, reconnecting
    /// continues.
    ///
    /// # Errors
    /// - `Config`: the worker is not disconnected.
    /// - `Startup`: the worker did not answer within
    ///   [`Timeouts::startup`](crate::Timeouts::startup).
    /// - `Closed`: the worker has ended, or is being closed.
    /// - `Crashed`: the worker ended meanwhile.
    /// - `Handshake`: another process answered.
    pub async fn reconnect(&self) -> Result<(), Error>
    where
        T: Reconnect,
    {
        let WorkerShared { link, supervisor, .. } = &*self.shared;
        if !link.is_disconnected() {
            let is_closed = *supervisor.status().borrow() == Status::Closed;
            return Err(if is_closed {
                let text = format!("could not reconnect to the worker: {}", supervisor.end_cause());
                Error::new(ErrorKind::Closed, text)
            } else {
                supervisor::connected()
            });
        }
        supervisor.command(Command::Reconnect { dial: self.dial() }).await
    }

    /// Future that connects to the worker at its address. The supervisor polls it.
    fn dial(&self) -> Dial<S::Codec>
    where
        T: Reconnect,
    {
        let WorkerShared { starter, link, supervisor } = &*self.shared;
        let (starter, link, identity) = (Arc::clone(starter), link.clone(), supervisor.identity.clone());
        Box::pin(async move {
            // The address is known once the worker was disconnected.
            let (address, pid) = {
                let identity = identity.lock().unwrap_or_else(PoisonError::into_inner);
                (identity.address.clone(), identity.pid.into())
            };
            let stream = starter.dial(&address).await?;
            let connect: Connect<S::Codec> =
                Box::new(move || WorkerConnection::open(&link, &starter, stream, pid));
            Ok(connect)
        })
    }

    /// Detaches the worker: it outlives this host and waits for another one, which
    /// [attaches](crate::Attach) to the returned address. This host may then exit at any time.
    ///
    /// Calls in flight and new calls fail with [`Closed`](ErrorKind::Closed). A disconnected worker
    /// is dialed first. If the future is dropped before it is ready, the worker is disconnected and
    /// not detached.
    ///
    /// # Errors
    /// `Config` if the worker's output goes through this host, and the errors of
    /// [`disconnect`](Self::disconnect) and [`reconnect`](Self::reconnect). After an error, the
    /// worker still belongs to this host, and may be disconnected.
    pub async fn detach(&self) -> Result<Address, Error>
    where
        T: Reconnect,
        D::Running: Detach,
    {
        let command = Command::Detach { release: Release::new(), dial: self.dial() };
        self.shared.supervisor.command(command).await?;
        // The worker waits for this. The supervisor does it too, but its runtime may stop now.
        supervisor::leave(&self.shared.link);
        Ok(self.shared.supervisor.identity().address)
    }
}

impl<S: Service, T: Send + Sync, D: Driver> Service for Worker<S, T, D> {
    type Codec = S::Codec;
    const CATCHES_PANICS: bool = S::CATCHES_PANICS;

    fn codec(&self) -> &S::Codec {
        self.service.codec()
    }

    fn body_limit(&self) -> BodyLimit {
        self.service.body_limit()
    }

    fn call(&self, mut request: Request) -> impl Future<Output = Result<Response, Error>> + Send {
        call_chain::inherit(&mut request);
        let (service, WorkerShared { link, starter, .. }) = (&self.service, &*self.shared);
        match starter.settings.on_crash.attempts(&request) {
            1 => Either::Left(service.call(request)),
            // Boxed, so that the future of a call without retries is small.
            max => Either::Right(Box::pin(attempts::call(service, link, request, max))),
        }
    }
}

impl<S: Service, T: Send + Sync, D: Driver> Lifecycle for Worker<S, T, D> {
    type Exit = ExitReason;

    async fn drain(&self) -> Result<(), Error> {
        self.drain().await
    }

    async fn close(&self) -> Result<(), Error> {
        self.close().await
    }

    fn kill(&self) {
        self.kill();
    }

    async fn closed(&self) -> ExitReason {
        self.closed().await
    }
}

impl<S: Service, T, D: Driver> Clone for Worker<S, T, D> {
    fn clone(&self) -> Self {
        Self { service: Arc::clone(&self.service), shared: Arc::clone(&self.shared) }
    }
}

impl<C: Codec, T, D: Driver> Drop for WorkerShared<C, T, D> {
    fn drop(&mut self) {
        self.supervisor.stop(StopRequest::Close);
    }
}

impl<S: Service, T, D: Driver> fmt::Debug for Worker<S, T, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker")
            .field("pid", &Into::<Option<u32>>::into(self.shared.supervisor.identity().pid))
            .field("active", &self.is_active())
            .finish()
    }
}
