use std::fmt;
use std::sync::Arc;

use isolated_workers_codec::{Codec, Json};
use isolated_workers_core::{Error, ErrorKind, ExitReason, Limits, Request, Response, Schema};
use isolated_workers_middleware::Service;
use isolated_workers_transport::{Channel, Platform, Reconnect};

use crate::driver::{Address, Captured, Detach, Driver, ProcessId, Running, in_parentheses};
use crate::handshake::{self, Failure};
use crate::link::{Nobody, Pump};
use crate::supervisor::{Command, Control, Stop};
use crate::timeouts::elapsed;
use crate::{Builder, Link, Program, Timeouts};

/// A running worker, as its host sees it: a [`Service`], with the middleware of its builder around it.
///
/// Cloning is cheap and all clones are the same worker. It is closed when the last one is dropped, and does not
/// outlive this process.
///
/// `S` is what is called: a [`Link`] with the middleware around it. `T` is the transport and `D` the driver; what they
/// cannot do is a method that is not there.
pub struct Worker<S: Service = Link<Json>, T = Platform, D: Driver = Program>(Arc<Inner<S, T, D>>);

struct Inner<S: Service, T, D: Driver> {
    service: S,
    control: Control<D::Running>,
    pid: Pid<D>,
    captured: Captured,
    way: Way<S::Codec, T>,
}

type Pid<D> = <<D as Driver>::Running as Running>::Pid;

/// How the worker is reached again.
pub(crate) struct Way<C: Codec, T> {
    pub(crate) transport: T,
    pub(crate) address: Address,
    pub(crate) service: Option<Schema>,
    pub(crate) link: Link<C>,
    pub(crate) limits: Limits,
    pub(crate) timeouts: Timeouts,
}

impl Worker {
    /// A worker that is run by `driver`, as a rule a [`Program`]; [`Builder::spawn`] starts it.
    pub fn builder<D: Driver>(driver: D) -> Builder<D, Json, D::Transport> {
        Builder::new(driver)
    }
}

// The bounds are those of methods, not of the block: so the compiler says why one is not there in our words.
impl<S: Service, T, D: Driver> Worker<S, T, D> {
    pub(crate) fn new(
        service: S,
        control: Control<D::Running>,
        pid: Pid<D>,
        captured: Captured,
        way: Way<S::Codec, T>,
    ) -> Self {
        Self(Arc::new(Inner { service, control, pid, captured, way }))
    }

    /// The id of the worker's process. Once the worker is [closed](Self::closed) it may be that of another process.
    pub fn pid(&self) -> u32
    where
        Pid<D>: ProcessId,
    {
        self.0.pid.number()
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
        self.0.captured.stdout()
    }

    /// The end of what the worker has written to its standard error, as [`stdout`](Self::stdout) does it.
    pub fn stderr(&self) -> String
    where
        Pid<D>: ProcessId,
    {
        self.0.captured.stderr()
    }

    /// Whether the worker takes calls: false from the moment that it is closed, killed or found dead.
    pub fn is_active(&self) -> bool {
        self.0.control.is_running()
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
        let ending = self.0.control.ended().await;
        if ending.killed_after_grace {
            let why =
                "it did not end by itself in time and was killed; a longer `Timeouts::close` gives it more";
            let pid = in_parentheses(self.0.pid);
            return Err(Error::new(ErrorKind::Closed, format!("closing the worker{pid}: {why}")));
        }
        Ok(())
    }

    /// Kills the worker and all processes of its group at once. Calls in flight fail with
    /// [`Closed`](ErrorKind::Closed). Wait for [`closed`](Self::closed) to know that it is gone.
    pub fn kill(&self) {
        self.0.control.stop(Stop::Kill);
    }

    /// Waits until the worker's process is gone, for whatever reason, and tells how it ended. Cancel-safe.
    pub async fn closed(&self) -> ExitReason {
        self.0.control.ended().await.reason
    }

    /// Ends the connection and leaves the worker running, its state as it is. Calls in flight fail with
    /// [`Closed`](ErrorKind::Closed), and so do all until [`reconnect`](Self::reconnect). The worker waits for that for
    /// [`Timeouts::disconnected`], and then ends.
    ///
    /// # Errors
    /// `Closed` where the worker is disconnected already or has ended, `Timeout` where it has not confirmed within 5 s
    /// that it stays, `Crashed` where the connection broke.
    pub async fn disconnect(&self) -> Result<(), Error>
    where
        T: Reconnect,
    {
        let stay = self.0.way.timeouts.disconnected;
        self.0.control.command(Command::Disconnect { stay }).await
    }

    /// Reaches the worker again over a second connection.
    ///
    /// # Errors
    /// `Config` where the worker is not disconnected, `Startup` where nobody answers within [`Timeouts::startup`],
    /// `Closed` where the worker has ended, `Handshake` where somebody else answers.
    pub async fn reconnect(&self) -> Result<(), Error>
    where
        T: Reconnect,
    {
        let Way { transport, address, service, link, limits, timeouts } = &self.0.way;
        let attempt = format!("could not reach the worker at {} again", address.place);
        if !link.is_away() {
            return Err(Error::new(
                ErrorKind::Config,
                format!("{attempt}: it is connected; `disconnect` it first"),
            ));
        }
        let connect = async {
            let Channel { mut reader, mut writer, residue, .. } = transport.dial(&address.place).await?;
            if let Some(residue) = residue {
                // The one of the first connection is kept until the worker has ended.
                residue.leave();
            }
            let greeting = handshake::greet::<S::Codec>(
                &mut reader,
                &mut writer,
                T::NAME,
                service.clone(),
                &address.token,
            );
            let buffer = greeting.await?;
            Ok((reader, writer, buffer))
        };
        let connected = tokio::select! {
            connected = connect => connected,
            () = elapsed(timeouts.startup) => {
                let text = format!("{attempt}: it did not answer within {:?}", timeouts.startup);
                return Err(Error::new(ErrorKind::Startup, text));
            }
        };
        let (reader, writer, buffer) = connected.map_err(|failure| match failure {
            Failure::Refused(error) => error,
            Failure::Gone(error) => Error::with_source(ErrorKind::Startup, attempt, error),
        })?;
        link.renew(*limits, writer);
        let pump = Box::pin(Pump::new(link.clone(), *limits, reader, buffer, Nobody));
        self.0.control.command(Command::Reconnect { pump }).await
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
        Ok(self.0.way.address.clone())
    }
}

impl<S: Service, T: Send + Sync, D: Driver> Service for Worker<S, T, D> {
    type Codec = S::Codec;

    fn codec(&self) -> &S::Codec {
        self.0.service.codec()
    }

    fn call(&self, request: Request) -> impl Future<Output = Result<Response, Error>> + Send {
        self.0.service.call(request)
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
            .field("pid", &Into::<Option<u32>>::into(self.0.pid))
            .field("active", &self.is_active())
            .finish()
    }
}
