use std::fmt;
use std::sync::Arc;

use futures_util::future::Either;
use isolated_workers_codec::DefaultCodec;
use isolated_workers_core::{Error, ErrorKind, ExitReason, Request, Response};
use isolated_workers_middleware::Service;
use isolated_workers_transport::{DefaultTransport, Reconnect};
use tokio::sync::watch;

use crate::connection::{Nobody, Pump};
use crate::driver::{Address, Detach, Driver, ProcessId, Running, in_parentheses};
use crate::host::attempts;
use crate::host::starter::{Greeted, Starter};
use crate::host::supervisor::{Command, Control, Stop};
use crate::{Builder, Link, Program, Status};

/// A running worker, as its host sees it: a [`Service`], with the middleware of its builder around it.
///
/// Cloning is cheap and all clones are the same worker. It is closed when the last one is dropped, and does not
/// outlive this process.
///
/// `S` is what is called: a [`Link`] with the middleware around it. `T` is the transport and `D` the driver; what they
/// cannot do is a method that is not there.
pub struct Worker<S: Service = Link<DefaultCodec>, T = DefaultTransport, D: Driver = Program>(
    Arc<Inner<S, T, D>>,
);

struct Inner<S: Service, T, D: Driver> {
    service: S,
    control: Control<D::Running>,
    starter: Arc<Starter<D, S::Codec, T>>,
    link: Link<S::Codec>,
}

type Pid<D> = <<D as Driver>::Running as Running>::Pid;

impl Worker {
    /// A worker that is run by `driver`, as a rule a [`Program`]; [`Builder::spawn`] starts it.
    pub fn builder<D: Driver>(driver: D) -> Builder<D, DefaultCodec, D::Transport> {
        Builder::new(driver)
    }
}

// The bounds are those of methods, not of the block: so the compiler says why one is not there in our words.
impl<S: Service, T, D: Driver> Worker<S, T, D> {
    pub(crate) fn new(
        service: S,
        control: Control<D::Running>,
        starter: Arc<Starter<D, S::Codec, T>>,
        link: Link<S::Codec>,
    ) -> Self {
        Self(Arc::new(Inner { service, control, starter, link }))
    }

    /// The id of the worker's process, another one each time that it is started again. Once the worker is
    /// [closed](Self::closed) it may be that of another process.
    pub fn pid(&self) -> u32
    where
        Pid<D>: ProcessId,
    {
        self.0.control.identity().pid.number()
    }

    /// The end of what the worker has written to its standard output, as text: the last 64 KiB with [`Output::Capture`],
    /// which is complete once the worker is [closed](Self::closed). Empty where the host does not read it, as with
    /// [`Output::Inherit`] and [`Output::Discard`]. Bytes that are no UTF-8 become `\u{fffd}`.
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
        self.0.control.identity().captured.stdout()
    }

    /// The end of what the worker has written to its standard error, as [`stdout`](Self::stdout) does it.
    pub fn stderr(&self) -> String
    where
        Pid<D>: ProcessId,
    {
        self.0.control.identity().captured.stderr()
    }

    /// Where the worker is in its life, to look at or to wait for:
    ///
    /// ```no_run
    /// # use isolated_workers_runtime::{OnCrash, Program, Status, Worker};
    /// # async fn example() -> Result<(), isolated_workers_core::Error> {
    /// let worker = Worker::builder(Program::new("./worker")).on_crash(OnCrash::respawn()).spawn().await?;
    /// let mut status = worker.status();
    /// assert_eq!(*status.borrow(), Status::Active);
    /// let _ = status.wait_for(|status| *status == Status::Starting).await; // it has died, and the next one comes
    /// # Ok(())
    /// # }
    /// ```
    pub fn status(&self) -> watch::Receiver<Status> {
        self.0.control.status().clone()
    }

    /// Whether the worker is there and is to stay: false from the moment that it is drained, closed, killed or found
    /// dead, and while it is started again. [`is_connected`](Self::is_connected) tells whether calls reach it.
    pub fn is_active(&self) -> bool {
        self.0.control.is_active()
    }

    /// Whether there is a connection to the worker.
    pub fn is_connected(&self) -> bool {
        matches!(*self.0.control.status().borrow(), Status::Connected | Status::Active | Status::Closing)
    }

    /// Lets the worker finish the calls in flight, then closes it as [`close`](Self::close) does. Further calls fail with
    /// [`Closed`](ErrorKind::Closed) and were not run. Calls have their timeouts; where that is too long,
    /// [`close`](Self::close) or [`kill`](Self::kill) ends the wait. Cancel-safe: it is drained all the same.
    ///
    /// # Errors
    /// `Closed` where the worker had to be killed in the end.
    pub async fn drain(&self) -> Result<(), Error> {
        self.0.control.stop(Stop::Drain);
        self.ended().await
    }

    /// Ends the worker in an orderly way and waits until its process is gone: calls in flight fail with
    /// [`Closed`](ErrorKind::Closed), the worker is told to end, and is killed where it has not done so within
    /// [`Timeouts::close`](crate::Timeouts::close).
    ///
    /// Calling it again, or on a worker that is gone already, does no harm. Cancel-safe: the worker ends all the same.
    ///
    /// # Errors
    /// `Closed` where the worker had to be killed.
    pub async fn close(&self) -> Result<(), Error> {
        self.0.control.stop(Stop::Close);
        self.ended().await
    }

    async fn ended(&self) -> Result<(), Error> {
        let ending = self.0.control.ended().await;
        if ending.killed_after_grace {
            let why =
                "it did not end by itself in time and was killed; a longer `Timeouts::close` gives it more";
            let pid = in_parentheses(self.0.control.identity().pid);
            return Err(Error::new(ErrorKind::Closed, format!("closing the worker{pid}: {why}")));
        }
        Ok(())
    }

    /// Kills the worker and all processes of its group at once. Calls in flight fail with
    /// [`Closed`](ErrorKind::Closed). Wait for [`closed`](Self::closed) to know that it is gone.
    pub fn kill(&self) {
        self.0.control.stop(Stop::Kill);
    }

    /// QueueStats until the worker's process is gone, for whatever reason, and tells how it ended. Cancel-safe.
    pub async fn closed(&self) -> ExitReason {
        self.0.control.ended().await.reason
    }

    /// Ends the connection and leaves the worker running, its state as it is. Calls in flight fail with
    /// [`Closed`](ErrorKind::Closed), and so do all until [`reconnect`](Self::reconnect). The worker waits for that for
    /// [`Timeouts::disconnected`](crate::Timeouts::disconnected), and then ends.
    ///
    /// # Errors
    /// `Config` where there is nowhere to reach it again, such as in a folder for temporary files that cannot be written to: it
    /// is still connected then. `Closed` where the worker is disconnected already or has ended, `Timeout` where it has not confirmed within 5 s
    /// that it stays, `Crashed` where the connection broke.
    pub async fn disconnect(&self) -> Result<(), Error>
    where
        T: Reconnect,
    {
        let linger = self.0.starter.settings.timeouts.disconnected;
        self.0.control.command(Command::Disconnect { linger }).await
    }

    /// Reaches the worker again over a second connection.
    ///
    /// # Errors
    /// `Config` where the worker is not disconnected, `Startup` where nobody answers within
    /// [`Timeouts::startup`](crate::Timeouts::startup), `Closed` where the worker has ended, `Handshake` where
    /// somebody else answers.
    pub async fn reconnect(&self) -> Result<(), Error>
    where
        T: Reconnect,
    {
        let Inner { starter, link, control, .. } = &*self.0;
        let address = control.identity().address;
        if !link.is_away() {
            let (kind, why) = match *control.status().borrow() {
                Status::Closed => (ErrorKind::Closed, "it has ended; start another"),
                _ => (ErrorKind::Config, "it is connected; `disconnect` it first"),
            };
            let text = format!("could not reach the worker again: {why}");
            return Err(Error::new(kind, text));
        }
        let Greeted { reader, writer, buffer } = starter.dial(&address).await?;
        let limits = starter.settings.limits;
        link.renew(limits, writer);
        let pump = Box::pin(Pump::new(link.clone(), limits, reader, buffer, Nobody));
        control.command(Command::Reconnect { pump }).await
    }

    /// Lets the worker go: it outlives this host, which may end at once, and waits for the next one, which
    /// [attaches](crate::Attach) to the address that this returns. Calls in flight fail with
    /// [`Closed`](ErrorKind::Closed), and so do all further ones.
    ///
    /// # Errors
    /// `Config` where the worker needs this host for what it prints, otherwise those of
    /// [`disconnect`](Self::disconnect). Where it fails, the worker is still this host's.
    pub async fn detach(&self) -> Result<Address, Error>
    where
        T: Reconnect,
        D::Running: Detach,
    {
        self.0
            .control
            .command(Command::Detach { check: D::Running::can_detach, let_go: D::Running::detach })
            .await?;
        Ok(self.0.control.identity().address)
    }
}

impl<S: Service, T: Send + Sync, D: Driver> Service for Worker<S, T, D> {
    type Codec = S::Codec;
    const CATCHES_PANICS: bool = S::CATCHES_PANICS;

    fn codec(&self) -> &S::Codec {
        self.0.service.codec()
    }

    fn call(&self, request: Request) -> impl Future<Output = Result<Response, Error>> + Send {
        let Inner { service, link, starter, .. } = &*self.0;
        match starter.settings.on_crash.attempts(&request) {
            1 => Either::Left(service.call(request)),
            // In a box, so that a call that is made once is small.
            most => Either::Right(Box::pin(attempts::call(service, link, request, most))),
        }
    }
}

impl<S: Service, T, D: Driver> Clone for Worker<S, T, D> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S: Service, T, D: Driver> Drop for Inner<S, T, D> {
    fn drop(&mut self) {
        self.control.stop(Stop::Close);
    }
}

impl<S: Service, T, D: Driver> fmt::Debug for Worker<S, T, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker")
            .field("pid", &Into::<Option<u32>>::into(self.0.control.identity().pid))
            .field("active", &self.is_active())
            .finish()
    }
}
