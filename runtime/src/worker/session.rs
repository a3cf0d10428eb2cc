use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::BytesMut;
use isolated_workers_codec::Codec;
use isolated_workers_core::{Error, ErrorKind, Schema, SequentialIds};
use isolated_workers_middleware::{Layers, Local, Service};
use isolated_workers_transport::{Channel, Cleanup, Incoming};
use tokio::time::{sleep, timeout};

use super::handlers::Handlers;
use super::make_handler::MakeHandler;
use super::parent::Parent;
use super::server::Stopped;
use super::watch::Watch;
use super::{Settings, host_gone};
use crate::connection::{End, Link, Pump};
use crate::handshake::{Greeting, HandshakeError};
use crate::inherited::{AnyChannel, AnyReader, AnyWriter};
use crate::timeouts::UNLIMITED;
use crate::timeouts::elapsed;

/// How long a host may take to hear that its worker leaves, once nothing else is left to do; and to take an answer that
/// is the worker's last.
const LEAVE: Duration = Duration::from_secs(1);

/// A worker and its connections, one after the other.
pub(super) struct Session<C> {
    pub(super) codec: C,
    pub(super) settings: Settings,
    pub(super) schema: Schema,
    /// The name of the transport, as the host knows it.
    pub(super) transport: String,
    pub(super) cleanup: Option<Cleanup>,
    /// Whether this process is there for the worker alone.
    pub(super) is_process: bool,
}

/// A host that fits.
struct Connection {
    reader: AnyReader,
    writer: AnyWriter,
    /// What has been read already.
    buffer: BytesMut,
    watch: Watch,
    /// The host's process.
    peer: Option<u32>,
    parent: Option<Parent>,
}

impl<C: Codec> Session<C> {
    pub(super) async fn run<M: MakeHandler, L: Layers>(
        self,
        make: M,
        layers: L,
        channel: AnyChannel,
        mut stopped: Stopped,
    ) -> Result<(), Error> {
        let Channel { reader, writer, hangup, mut incoming, .. } = channel;
        let mut token = None;
        let opened = self.open(make, reader, writer, hangup, &mut token, &mut stopped).await;
        let Some((handler, mut connection)) = opened.map_err(error)? else { return Ok(()) };
        let service = Arc::new(layers.wrap(Local::new(handler, self.codec.clone())));
        // One turn a connection.
        loop {
            let parent = connection.parent;
            let linger = self.serve(&service, connection, &mut stopped).await?;
            let (Some(linger), Some(incoming)) = (linger, &mut incoming) else { return Ok(()) };
            let next = tokio::select! {
                biased;
                () = stopped.stopped() => return Ok(()),
                () = gone(parent.filter(|_| linger < UNLIMITED)) => return Ok(()),
                next = self.next(incoming, linger, &mut token) => next?,
            };
            match next {
                Some(next) => connection = next,
                None => return Ok(()),
            }
        }
    }

    /// Makes the handler of what the first host has to say. Where it does not fit, or there is no handler, the worker ends.
    /// `None`: it was stopped meanwhile.
    async fn open<M: MakeHandler>(
        &self,
        make: M,
        mut reader: AnyReader,
        mut writer: AnyWriter,
        hangup: Option<Box<dyn FnOnce() + Send>>,
        token: &mut Option<String>,
        stopped: &mut Stopped,
    ) -> Result<Option<(M::Handler, Connection)>, HandshakeError> {
        let heard = stopped.unless(self.hear(&mut reader, &mut writer, token)).await;
        let Some(greeting) = heard.transpose()? else { return Ok(None) };
        let peer = greeting.as_ref().map(Greeting::host);
        let parent = peer.and_then(Parent::of);
        let mut watch = Watch::new(hangup, self.cleanup.clone());
        // What makes the handler may keep the runtime busy.
        if M::COMPUTES {
            watch.begin(stopped.take_obedience());
        }
        let startup = greeting.as_ref().and_then(Greeting::startup);
        let making = make.make(&self.codec, startup, self.settings.limits.budget());
        let handler = match stopped.unless(making).await {
            Some(Ok(handler)) => handler,
            Some(Err(error)) => {
                return Err(match greeting {
                    Some(greeting) => greeting.decline(&mut writer, error).await,
                    None => error.into(),
                });
            }
            None => return Ok(None),
        };
        let Some(accepted) = stopped.unless(accept(greeting, &mut writer)).await else { return Ok(None) };
        let buffer = accepted?;
        // And so may handlers. Before the first, and while the host reads that this worker is ready.
        watch.begin(stopped.take_obedience());
        Ok(Some((handler, Connection { reader, writer, buffer, watch, peer, parent })))
    }

    /// QueueStats for the next host that fits. `None`: none has come in time.
    async fn next(
        &self,
        incoming: &mut Incoming<AnyReader, AnyWriter>,
        linger: Duration,
        token: &mut Option<String>,
    ) -> Result<Option<Connection>, Error> {
        let mut late = pin!(sleep(linger));
        loop {
            let channel = tokio::select! {
                next = incoming.accept() => next.map_err(host_gone)?,
                () = &mut late => return Ok(None),
            };
            match self.resume(channel, token).await {
                Ok(connection) => return Ok(Some(connection)),
                // The next one may be better.
                Err(failure) => tracing::warn!("a connection was refused: {:#}", error(failure)),
            }
        }
    }

    /// Owns the stream, so that whoever is refused sees its end at once.
    async fn resume(
        &self,
        channel: AnyChannel,
        token: &mut Option<String>,
    ) -> Result<Connection, HandshakeError> {
        let Channel { mut reader, mut writer, hangup, .. } = channel;
        let greeting = self.hear(&mut reader, &mut writer, token).await?;
        let peer = greeting.as_ref().map(Greeting::host);
        let parent = peer.and_then(Parent::of);
        let buffer = accept(greeting, &mut writer).await?;
        // The end of one that does not fit is not that of this worker.
        let mut watch = Watch::new(hangup, self.cleanup.clone());
        watch.begin(None);
        Ok(Connection { reader, writer, buffer, watch, peer, parent })
    }

    /// `None`: there is no handshake.
    async fn hear(
        &self,
        reader: &mut AnyReader,
        writer: &mut AnyWriter,
        token: &mut Option<String>,
    ) -> Result<Option<Greeting<'_>>, HandshakeError> {
        let Settings { handshake, connect_timeout, limits, .. } = self.settings;
        if !handshake {
            return Ok(None);
        }
        let schema = self.schema.clone();
        tokio::select! {
            heard = Greeting::hear::<C>(reader, writer, &self.transport, schema, token, limits.frame) => heard.map(Some),
            () = elapsed(connect_timeout) => {
                let text = format!("the host did not say what it is within {connect_timeout:?}");
                Err(Error::new(ErrorKind::Startup, text).into())
            }
        }
    }

    /// Answers a host. Returns how long to wait for the next one, if at all.
    async fn serve<S: Service + 'static>(
        &self,
        service: &Arc<S>,
        connection: Connection,
        stopped: &mut Stopped,
    ) -> Result<Option<Duration>, Error> {
        let Connection { reader, writer, buffer, watch, peer, .. } = connection;
        let limits = self.settings.limits;
        let link =
            Link::new(self.codec.clone(), limits, Arc::new(SequentialIds::default()), Duration::ZERO, writer);
        let handlers = Handlers::new(Arc::clone(service), peer, self.is_process);
        let mut pump = Pump::new(link.clone(), limits, reader, buffer, handlers);
        let (end, is_stopped) = tokio::select! {
            biased;
            () = stopped.stopped() => {
                // One without a handshake may not know what a goodbye is.
                link.take_leave(self.settings.handshake);
                (drained(&mut pump).await, true)
            }
            end = self.served(&mut pump) => (end?, false),
        };
        match end {
            End::GoAway { linger: linger @ Some(_) } if !is_stopped => {
                // Before the stream is dropped, from which the host knows that it may go.
                watch.dismiss();
                Ok(linger)
            }
            End::Eof | End::GoAway { .. } | End::Overran => Ok(None),
            End::Broken(error) => Err(host_gone(error)),
            End::Violated(error) => Err(error),
        }
    }

    /// Answers until the connection is over, or a handler has panicked that the worker is to end for.
    async fn served<S: Service + 'static>(
        &self,
        pump: &mut Pump<C, AnyReader, Handlers<S>>,
    ) -> Result<End, Error> {
        let ended = poll_fn(|cx| match Pin::new(&mut *pump).poll(cx) {
            Poll::Ready(end) => Poll::Ready(Ok(end)),
            Poll::Pending => match pump.inbound().panicked() {
                Some(panic) if self.settings.exit_on_panic => Poll::Ready(Err(panic.clone())),
                _ => Poll::Pending,
            },
        });
        let panic = match ended.await {
            Ok(end) => return Ok(end),
            Err(panic) => panic,
        };
        let written = poll_fn(|cx| match Pin::new(&mut *pump).poll(cx) {
            Poll::Pending if !pump.is_written() => Poll::Pending,
            _ => Poll::Ready(()),
        });
        let _ = timeout(LEAVE, written).await;
        let text = format!("{panic}; this worker ends, as `exit_on_panic` says");
        Err(Error::new(ErrorKind::Panicked, text))
    }
}

/// Answers what is in flight, and what is on its way until the host has heard that the worker leaves.
async fn drained<C: Codec, S: Service + 'static>(pump: &mut Pump<C, AnyReader, Handlers<S>>) -> End {
    let mut patience = None;
    poll_fn(|cx| {
        if let Poll::Ready(end) = Pin::new(&mut *pump).poll(cx) {
            return Poll::Ready(end);
        }
        if !pump.is_idle() {
            patience = None;
            return Poll::Pending;
        }
        let patience = patience.get_or_insert_with(|| Box::pin(sleep(LEAVE)));
        if pump.is_left() || patience.as_mut().poll(cx).is_ready() {
            return Poll::Ready(End::GoAway { linger: None });
        }
        Poll::Pending
    })
    .await
}

async fn accept(greeting: Option<Greeting<'_>>, writer: &mut AnyWriter) -> Result<BytesMut, HandshakeError> {
    match greeting {
        Some(greeting) => greeting.accept(writer).await,
        None => Ok(BytesMut::new()),
    }
}

/// QueueStats until the parent has ended. `None`: it is not waited for.
async fn gone(parent: Option<Parent>) {
    match parent {
        Some(parent) => parent.gone().await,
        None => std::future::pending().await,
    }
}

fn error(failure: HandshakeError) -> Error {
    match failure {
        HandshakeError::Refused(error) => error,
        HandshakeError::Gone(error) => host_gone(error),
        HandshakeError::Declined(why) => Error::new(ErrorKind::Startup, why),
    }
}
