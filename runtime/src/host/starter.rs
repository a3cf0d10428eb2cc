//! What a worker is started from, once or again.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use isolated_workers_codec::Codec;
use isolated_workers_core::{Error, ErrorKind, ExitReason, Limits, RandomIds, Schema, TxIdGenerator};
use isolated_workers_transport::{Bound, Channel, Cleanup, DeferredListener, Reconnect, Transport};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::connection::{Link, Nobody, Pump};
use crate::driver::{Address, Driver, Launch, Running, in_parentheses};
use crate::handshake::{self, HandshakeError};
use crate::host::supervisor::{Control, LAST_WORDS, LIMBO, supervise};
use crate::timeouts::elapsed;
use crate::{Heartbeat, OnCrash, OnTimeout, Status, Timeouts};

/// What a worker is started from, as often as it takes.
pub(crate) struct Starter<D, C, T> {
    pub(crate) driver: D,
    pub(crate) codec: C,
    pub(crate) transport: T,
    pub(crate) settings: Settings,
}

pub(crate) struct Settings {
    pub(crate) timeouts: Timeouts,
    pub(crate) limits: Limits,
    pub(crate) service: Option<Schema>,
    pub(crate) handshake: bool,
    pub(crate) on_crash: OnCrash,
    pub(crate) on_timeout: OnTimeout,
    pub(crate) heartbeat: Option<Heartbeat>,
    /// What each worker is told when it starts, encoded.
    pub(crate) startup: Option<Bytes>,
}

/// A worker that is ready for calls.
pub(crate) struct Started<P, T: Transport> {
    pub(crate) running: P,
    pub(crate) stream: Greeted<T>,
    pub(crate) deferred_listener: Option<DeferredListener>,
    pub(crate) cleanup: Option<Cleanup>,
    pub(crate) address: Address,
}

/// A connection to a worker that fits.
pub(crate) struct Greeted<T: Transport> {
    pub(crate) reader: T::Reader,
    pub(crate) writer: T::Writer,
    /// What has been read already.
    pub(crate) buffer: BytesMut,
}

impl<D: Driver, C: Codec, T: Transport> Starter<D, C, T> {
    /// A link to no worker, which [`launch`](Self::launch) connects.
    pub(crate) fn link(&self, ids: Arc<dyn TxIdGenerator>) -> Link<C> {
        let Settings { limits, timeouts, on_timeout, on_crash, .. } = self.settings;
        let link = Link::new(self.codec.clone(), limits, ids, timeouts.message, tokio::io::empty());
        link.set_policy(on_timeout, on_crash.respawns());
        link
    }

    /// Starts a worker at the other end of `link`, and the task that owns it from then on. Nothing is left behind where it
    /// fails or is dropped.
    pub(crate) async fn launch(self: &Arc<Self>, link: Link<C>) -> Result<Control<D::Running>, Error> {
        let limits = self.settings.limits;
        let (status, watched) = watch::channel(Status::Starting);
        let Started { running, stream, deferred_listener, cleanup, address } = self.start(&status).await?;
        let Greeted { reader, writer, buffer } = stream;
        link.renew(limits, writer);
        let pump = Box::pin(Pump::new(link.clone(), limits, reader, buffer, Nobody));
        let starter = Arc::clone(self);
        Ok(supervise(starter, running, (deferred_listener, cleanup), address, link, pump, (status, watched)))
    }

    /// Starts the worker. Nothing is left behind where it fails or is dropped.
    pub(crate) async fn start(
        &self,
        status: &watch::Sender<Status>,
    ) -> Result<Started<D::Running, T>, Error> {
        let Self { driver, transport, settings, .. } = self;
        let limit = settings.timeouts.startup;
        let mut bound = transport.bind().map_err(|error| {
            let text = format!("could not prepare a {} for the worker {}", T::NAME, driver.subject());
            Error::with_source(ErrorKind::Spawn, text, error)
        })?;
        let inheritance = bound.inheritance();
        let token = driver.token().map_or_else(|| RandomIds.next_id().to_string(), str::to_owned);
        let address = Address { place: inheritance.address.clone(), token };
        let mut running = driver.start(Launch::new::<T, C>(inheritance, settings.handshake))?;
        let token = address.token.clone();
        let connect = async move {
            let mut channel = bound.establish().await?;
            status.send_replace(Status::Connected);
            let (deferred_listener, cleanup) = (channel.deferred_listener.take(), channel.cleanup.take());
            Ok((self.greet(channel, &token, settings.startup.as_ref()).await?, deferred_listener, cleanup))
        };
        let mut connect = pin!(connect);
        let connected = tokio::select! {
            biased;
            connected = &mut connect => connected,
            // The stream of a process that has ended ends, too, unless a child of that holds it open.
            _ = running.wait() => match timeout(LAST_WORDS, connect).await {
                Ok(connected) => connected,
                Err(late) => Err(HandshakeError::Gone(late.into())),
            },
            () = elapsed(limit) => return Err(silent(driver, running, limit).await),
        };
        match connected {
            Ok((stream, deferred_listener, cleanup)) => {
                Ok(Started { running, stream, deferred_listener, cleanup, address })
            }
            Err(HandshakeError::Refused(error)) => Err(error),
            Err(HandshakeError::Declined(why)) => {
                let pid = in_parentheses(running.pid());
                let text = format!("the worker {}{pid} could not start: {why}", driver.subject());
                Err(Error::new(ErrorKind::Startup, text))
            }
            Err(HandshakeError::Gone(error)) => Err(stillborn(driver, running, error).await),
        }
    }

    /// Reaches a worker that is running already.
    pub(crate) async fn dial(&self, address: &Address) -> Result<Greeted<T>, Error>
    where
        T: Reconnect,
    {
        let attempt = || format!("could not reach the worker at {} again", address.place);
        let limit = self.settings.timeouts.startup;
        let connect = async {
            let mut channel = self.transport.dial(&address.place).await?;
            if let Some(cleanup) = channel.cleanup.take() {
                // The one of the first connection is kept until the worker has ended.
                cleanup.disarm();
            }
            self.greet(channel, &address.token, None).await
        };
        let connected = tokio::select! {
            connected = connect => connected,
            () = elapsed(limit) => {
                let text = format!("{}: it did not answer within {limit:?}", attempt());
                return Err(Error::new(ErrorKind::Startup, text));
            }
        };
        connected.map_err(|failure| match failure {
            HandshakeError::Refused(error) => error,
            HandshakeError::Declined(why) => Error::new(ErrorKind::Startup, format!("{}: {why}", attempt())),
            HandshakeError::Gone(error) => Error::with_source(ErrorKind::Startup, attempt(), error),
        })
    }

    async fn greet(
        &self,
        channel: Channel<T::Reader, T::Writer>,
        token: &str,
        startup: Option<&Bytes>,
    ) -> Result<Greeted<T>, HandshakeError> {
        let Channel { mut reader, mut writer, .. } = channel;
        let Settings { service, handshake, .. } = &self.settings;
        let buffer = if *handshake {
            handshake::greet::<C>(&mut reader, &mut writer, T::NAME, service.clone(), token, startup).await?
        } else {
            BytesMut::new()
        };
        Ok(Greeted { reader, writer, buffer })
    }
}

async fn silent<D: Driver>(driver: &D, mut running: D::Running, limit: Duration) -> Error {
    running.kill();
    let _ = timeout(LIMBO, running.wait()).await;
    let why = format!(
        "was not ready within {limit:?} and was killed; it must call `serve`, or do what its language has for that, and \
         `Timeouts::startup` sets how long it may take"
    );
    not_up(driver, running, &why).await
}

/// The stream ended before the handshake, so the worker has ended or is about to.
async fn stillborn<D: Driver>(driver: &D, mut running: D::Running, error: std::io::Error) -> Error {
    if driver.token().is_some() {
        let text = format!(
            "could not attach to the worker {}: it has ended, or has another token",
            driver.subject()
        );
        return Error::with_source(ErrorKind::Startup, text, error);
    }
    let how = match timeout(LIMBO, running.wait()).await {
        Ok(ExitReason::Exited(0)) => "exited with code 0, so it never called `serve`,".to_owned(),
        Ok(reason) => reason.to_string(),
        Err(_) => ExitReason::Disconnected.to_string(),
    };
    not_up(driver, running, &format!("{how} before it was ready")).await
}

async fn not_up<D: Driver>(driver: &D, mut running: D::Running, why: &str) -> Error {
    let pid = in_parentheses(running.pid());
    let words = match running.last_words().await {
        words if words.is_empty() => String::new(),
        words => format!("; its last output:\n{words}"),
    };
    Error::new(ErrorKind::Startup, format!("the worker {}{pid} {why}{words}", driver.subject()))
}
