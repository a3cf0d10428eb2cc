//! Start of a worker's process, for the first time or as a respawn.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use isolated_workers_codec::{Codec, Framing};
use isolated_workers_core::protocol::handshake::Terms;
use isolated_workers_core::{Error, ErrorKind, ExitReason, RandomIds, TxIdGenerator};
use isolated_workers_transport::{
    Bound, Channel, ChannelDescriptors, Cleanup, DeferredListener, Reconnect, Transport,
};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::Status;
use crate::connection::Link;
use crate::driver::{Address, Driver, Running, in_parentheses};
use crate::handshake::{self, HandshakeError};
use crate::host::callbacks::Callbacks;
#[cfg(feature = "sandbox")]
use crate::host::confinement;
use crate::host::settings::HostSettings;
use crate::launch::Launch;
use crate::timeouts::{EXIT_TIMEOUT, FINAL_READ_TIMEOUT, silent_for};

/// Settings and parts from which each process of a worker is started.
pub(crate) struct Starter<D, C, T> {
    pub(crate) driver: D,
    pub(crate) codec: C,
    pub(crate) transport: T,
    /// Service that the host offers to its workers.
    pub(crate) callbacks: Option<Callbacks<C, T>>,
    pub(crate) settings: HostSettings,
}

/// Process that is ready for calls.
pub(crate) struct Started<P, T: Transport> {
    pub(crate) running: P,
    pub(crate) stream: Greeted<T>,
    pub(crate) deferred_listener: Option<DeferredListener>,
    pub(crate) cleanup: Option<Cleanup>,
    pub(crate) address: Address,
    #[cfg(feature = "sandbox")]
    pub(crate) sandbox: crate::sandbox::Report,
}

/// Connection whose handshake has succeeded.
pub(crate) struct Greeted<T: Transport> {
    pub(crate) reader: T::Reader,
    pub(crate) writer: T::Writer,
    /// Bytes received after the handshake.
    pub(crate) buffer: BytesMut,
    pub(crate) terms: Terms,
    /// Descriptors of the stream, if both sides take them.
    pub(crate) descriptors: Option<ChannelDescriptors>,
}

impl<D: Driver, C: Codec, T: Transport> Starter<D, C, T> {
    /// Unconnected link, for [`launch`](Self::launch).
    pub(crate) fn link(&self, ids: Arc<dyn TxIdGenerator>) -> Link<C> {
        let HostSettings { limits, timeouts, on_timeout, on_crash, .. } = self.settings;
        let link = Link::new(self.codec.clone(), limits, ids, timeouts.message, tokio::io::empty());
        link.set_policy(on_timeout, on_crash.respawns());
        link
    }

    /// Starts the process and connects to it. Leaves nothing behind if it fails or is dropped.
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
        let launch = Launch::new::<T, C>(inheritance, settings.handshake);
        #[cfg(feature = "sandbox")]
        let launch = Launch { sandbox: settings.sandbox.clone(), ..launch };
        let mut running = driver.start(launch)?;
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
            // The connection ends with the process, unless one of its children holds it open.
            _ = running.wait() => match timeout(FINAL_READ_TIMEOUT, connect).await {
                Ok(connected) => connected,
                Err(late) => Err(HandshakeError::Gone(late.into())),
            },
            () = silent_for(limit) => return Err(startup_timed_out(driver, running, limit).await),
        };
        match connected {
            Ok((stream, deferred_listener, cleanup)) => Ok(Started {
                #[cfg(feature = "sandbox")]
                sandbox: confinement::confirm(driver, &running, settings.sandbox.as_ref(), &stream.terms)?,
                running,
                stream,
                deferred_listener,
                cleanup,
                address,
            }),
            Err(HandshakeError::Refused(error)) => Err(error),
            Err(HandshakeError::Declined(why)) => {
                let pid = in_parentheses(running.pid());
                let text = format!("the worker {}{pid} could not start: {why}", driver.subject());
                Err(Error::new(ErrorKind::Startup, text))
            }
            Err(HandshakeError::Gone(error)) => Err(exited_during_startup(driver, running, error).await),
        }
    }

    /// Connects to a running worker.
    pub(crate) async fn dial(&self, address: &Address) -> Result<Greeted<T>, Error>
    where
        T: Reconnect,
    {
        let attempt = || format!("could not reach the worker at {} again", address.place);
        let limit = self.settings.timeouts.startup;
        let connect = async {
            let mut channel = self.transport.dial(&address.place).await?;
            if let Some(cleanup) = channel.cleanup.take() {
                // The first connection's cleanup runs when the worker has ended.
                cleanup.disarm();
            }
            self.greet(channel, &address.token, None).await
        };
        let connected = tokio::select! {
            connected = connect => connected,
            () = silent_for(limit) => {
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
        let Channel { mut reader, mut writer, descriptors, .. } = channel;
        let HostSettings { services, handshake, limits, descriptors: is_wanted, .. } = &self.settings;
        let descriptors = descriptors.filter(|_| *is_wanted && C::Framing::NAMES_DESCRIPTORS);
        let (services, limits) = (services.clone(), *limits);
        let (buffer, terms) = if *handshake {
            let offered = self.callbacks.as_ref().map(|callbacks| callbacks.services.clone());
            let offered = offered.unwrap_or_default();
            let identity = handshake::host::<C>(T::NAME, services, limits, offered, descriptors.is_some());
            handshake::greet(&mut reader, &mut writer, identity, token, startup).await?
        } else {
            (BytesMut::new(), limits.into())
        };
        let descriptors = descriptors.filter(|_| terms.peer_features.descriptors);
        Ok(Greeted { reader, writer, buffer, terms, descriptors })
    }
}

async fn startup_timed_out<D: Driver>(driver: &D, mut running: D::Running, limit: Duration) -> Error {
    if driver.token().is_some() {
        let text = format!(
            "could not attach to the worker {}: it did not answer within {limit:?}; it may serve another host, \
             or its runtime may be busy; `Timeouts::startup` sets the limit",
            driver.subject()
        );
        return Error::new(ErrorKind::Startup, text);
    }
    running.kill();
    let _ = timeout(EXIT_TIMEOUT, running.wait()).await;
    let why = format!(
        "was not ready within {limit:?} and was killed; it must call `serve`, or perform the handshake \
         in its language; `Timeouts::startup` sets the limit"
    );
    startup_failed(driver, running, ErrorKind::Startup, &why).await
}

/// The connection ended before the handshake, so the process has exited or is about to.
async fn exited_during_startup<D: Driver>(
    driver: &D,
    mut running: D::Running,
    error: std::io::Error,
) -> Error {
    if driver.token().is_some() {
        let text = format!(
            "could not attach to the worker {}: it has ended, or has another token",
            driver.subject()
        );
        return Error::with_source(ErrorKind::Startup, text, error);
    }
    let reason = timeout(EXIT_TIMEOUT, running.wait()).await.ok();
    let how = match reason {
        Some(ExitReason::Exited(0)) => "exited with code 0, probably without a call of `serve`,".to_owned(),
        Some(reason) => reason.to_string(),
        None => ExitReason::Disconnected.to_string(),
    };
    #[cfg(feature = "sandbox")]
    let kind = confinement::kind_of_exit(running.sandbox().is_some(), reason);
    #[cfg(not(feature = "sandbox"))]
    let kind = ErrorKind::Startup;
    startup_failed(driver, running, kind, &format!("{how} before it was ready")).await
}

async fn startup_failed<D: Driver>(driver: &D, mut running: D::Running, kind: ErrorKind, why: &str) -> Error {
    let pid = in_parentheses(running.pid());
    let words = match running.last_words().await {
        words if words.is_empty() => String::new(),
        words => format!("; its last output:\n{words}"),
    };
    Error::new(kind, format!("the worker {}{pid} {why}{words}", driver.subject()))
}
