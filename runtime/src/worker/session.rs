use std::any::Any;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use bytes::BytesMut;
use isolated_workers_codec::{Codec, Framing};
use isolated_workers_core::protocol::handshake::{Features, Terms};
use isolated_workers_core::{Error, ErrorKind, Executed, GoAway, SequentialIds, Services};
use isolated_workers_middleware::{BoxService, Layers, Served, Service};
use isolated_workers_transport::{Channel, ChannelDescriptors, Cleanup, Incoming};
use tokio::time::{sleep, timeout};

use super::make_handler::MakeHandler;
use super::orphan_guard::{OrphanGuard, ParentGuard};
use super::parent::ParentProcess;
use super::pending_handshakes::{Heard, PendingHandshakes};
use super::stop_signal::StopSignal;
use super::{ServeOptions, event_thread, host_gone, process_group};
use crate::connection::{Availability, CloseReason, ConnectionTask, Link, LinkOwner};
use crate::describe::{DescribedHandler, OwnDescription, WorkerFacts};
use crate::handlers::{Handlers, OwnServices};
use crate::handshake::{self, Greeting, HandshakeError};
use crate::launch::{AnyChannel, AnyReader, AnyWriter};
use crate::poll_on_wake::PollOnWake;
use crate::timeouts::{UNLIMITED, elapsed};

/// Time to deliver the last bytes: a go-away when no calls are left, or the error of a handler
/// after which the worker ends.
const LAST_WRITE_TIMEOUT: Duration = Duration::from_secs(1);

/// Serves a worker's connections, one after another.
pub(super) struct Session<C> {
    pub(super) codec: C,
    pub(super) options: ServeOptions,
    pub(super) services: Services,
    /// Services that the worker requires of its host.
    pub(super) host_services: Services,
    /// Name of the transport, as the host knows it.
    pub(super) transport: String,
    pub(super) cleanup: Option<Cleanup>,
    /// `true` if the worker is a process, not a thread of its host.
    pub(super) is_process: bool,
    /// `true` once the worker no longer ends with its parent.
    pub(super) is_detached: Arc<AtomicBool>,
}

/// An accepted connection to a host.
struct AcceptedHost {
    reader: AnyReader,
    writer: AnyWriter,
    /// Bytes that were read after the handshake.
    buffer: BytesMut,
    terms: Terms,
    descriptors: Option<ChannelDescriptors>,
    orphan_guard: OrphanGuard,
    /// Process id of the host, if there is a handshake.
    peer: Option<u32>,
    parent: Option<ParentProcess>,
}

impl<C: Codec> Session<C> {
    pub(super) async fn run<M: MakeHandler, L: Layers>(
        self,
        make: M,
        layers: L,
        mut channel: AnyChannel,
        mut stop: StopSignal,
    ) -> Result<(), Error> {
        let (mut incoming, is_contested) = (channel.incoming.take(), channel.is_contested);
        let mut pending = PendingHandshakes::default();
        pending.push(self.hear(channel, None));
        let contested = incoming.as_mut().filter(|_| is_contested);
        let Some(first) = stop.unless(self.first(&mut pending, contested)).await else { return Ok(()) };
        let mut first = first.map_err(error)?;
        let token = first.token.take();
        let opened = self.open(make, first, &mut stop).await;
        let Some((handler, mut connection)) = opened.map_err(error)? else { return Ok(()) };
        let body_limit = self.codec.body_limit(self.options.limits);
        let facts = WorkerFacts {
            codec: C::ID,
            limits: self.options.limits,
            host_services: self.host_services.clone(),
        };
        let describes = self.options.describes;
        let own = describes.then(|| OwnDescription::of::<M::Handler>(facts));
        let served = Served::new(DescribedHandler::new(handler, own), self.codec.clone(), body_limit);
        let service = Arc::new(layers.wrap(served));
        let services = OwnServices::of::<M::Handler>(&self.services).describing(describes);
        // Each iteration serves one connection.
        loop {
            let parent = connection.parent;
            let linger = self.serve(&service, &services, connection, &mut stop).await?;
            let (Some(linger), Some(incoming)) = (linger, &mut incoming) else { return Ok(()) };
            let next = tokio::select! {
                biased;
                () = stop.stopped() => return Ok(()),
                () = parent_ended(parent.filter(|_| !self.is_detached())) => return Ok(()),
                next = self.next(&mut pending, incoming, linger, token.as_ref()) => next?,
            };
            match next {
                Some(next) => connection = next,
                None => return Ok(()),
            }
        }
    }

    /// Waits for the first host. If the connection is contested, other processes may have connected
    /// before it, so the connections of `contested` are heard too.
    async fn first<'a>(
        &'a self,
        pending: &mut PendingHandshakes<'a>,
        contested: Option<&mut Incoming<AnyReader, AnyWriter>>,
    ) -> Result<Heard<'a>, HandshakeError> {
        let Some(incoming) = contested else { return pending.next().await };
        loop {
            tokio::select! {
                // First, so that a failure counts only if no other connection waits.
                biased;
                next = accept_after(pending.room(), incoming) => pending.push(self.hear(next?, None)),
                heard = pending.next() => match heard {
                    Err(failure) if !pending.is_empty() => refused(failure),
                    heard => return heard,
                },
            }
        }
    }

    /// Makes the handler, and accepts the first host. Ends the worker if either fails. Returns
    /// `None` if the worker was stopped meanwhile.
    async fn open<M: MakeHandler>(
        &self,
        make: M,
        first: Heard<'_>,
        stop: &mut StopSignal,
    ) -> Result<Option<(M::Handler, AcceptedHost)>, HandshakeError> {
        let Heard { reader, mut writer, hangup, descriptors, greeting, .. } = first;
        let peer = greeting.as_ref().map(Greeting::host);
        let terms = greeting.as_ref().map_or(self.options.limits.into(), Greeting::terms);
        let parent = peer.and_then(ParentProcess::of);
        let mut orphan_guard = OrphanGuard::new(hangup, self.cleanup.clone());
        if let Some(parent) = parent {
            process_group::end_with_orphan(parent, Arc::clone(&self.is_detached));
        }
        // Started before any user code, which may block the runtime.
        let is_guarded = orphan_guard.start().and_then(|()| {
            let guard = parent.map(|parent| self.parent_guard(parent));
            event_thread::start(stop.take_signal_listener(), guard)
        });
        let startup = greeting.as_ref().and_then(Greeting::startup);
        let making = async {
            is_guarded.map_err(no_thread)?;
            make.make(&self.codec, startup, self.options.limits.budget()).await
        };
        let handler = match stop.unless(making).await {
            Some(Ok(handler)) => handler,
            Some(Err(error)) => {
                return Err(match greeting {
                    Some(greeting) => greeting.decline(&mut writer, error).await,
                    None => error.into(),
                });
            }
            None => {
                if let Some(greeting) = greeting {
                    greeting.decline(&mut writer, stopped()).await;
                }
                return Ok(None);
            }
        };
        let Some(accepted) = stop.unless(accept(greeting, &mut writer)).await else { return Ok(None) };
        let buffer = accepted?;
        let accepted =
            AcceptedHost { reader, writer, buffer, terms, descriptors, orphan_guard, peer, parent };
        Ok(Some((handler, accepted)))
    }

    /// Waits for the next accepted host. Returns `None` once `linger` has passed. Connections that
    /// have sent no hello by then, or when a host is accepted, stay pending.
    async fn next<'a>(
        &'a self,
        pending: &mut PendingHandshakes<'a>,
        incoming: &mut Incoming<AnyReader, AnyWriter>,
        linger: Duration,
        token: Option<&String>,
    ) -> Result<Option<AcceptedHost>, Error> {
        let mut late = pin!(sleep(linger));
        loop {
            let heard = tokio::select! {
                next = accept_after(pending.room(), incoming) => {
                    pending.push(self.hear(next.map_err(host_gone)?, token.cloned()));
                    continue;
                }
                heard = pending.next() => heard,
                () = &mut late => return Ok(None),
            };
            let accepted = match heard {
                Ok(heard) => self.resume(heard).await,
                Err(failure) => Err(failure),
            };
            match accepted {
                Ok(connection) => return Ok(Some(connection)),
                // Another host may still be accepted.
                Err(failure) => refused(failure),
            }
        }
    }

    /// Accepts a later host.
    async fn resume(&self, heard: Heard<'_>) -> Result<AcceptedHost, HandshakeError> {
        let Heard { reader, mut writer, hangup, descriptors, greeting, .. } = heard;
        let peer = greeting.as_ref().map(Greeting::host);
        let terms = greeting.as_ref().map_or(self.options.limits.into(), Greeting::terms);
        let parent = peer.and_then(ParentProcess::of);
        let mut orphan_guard = OrphanGuard::new(hangup, self.cleanup.clone());
        if let Err(error) = orphan_guard.start() {
            return Err(match greeting {
                Some(greeting) => greeting.decline(&mut writer, no_thread(error)).await,
                None => no_thread(error).into(),
            });
        }
        let buffer = match accept(greeting, &mut writer).await {
            Ok(buffer) => buffer,
            Err(failure) => {
                // The end of a host that was not accepted must not end this worker.
                orphan_guard.disarm();
                return Err(failure);
            }
        };
        self.is_detached.store(parent.is_none(), Ordering::Release);
        Ok(AcceptedHost { reader, writer, buffer, terms, descriptors, orphan_guard, peer, parent })
    }

    /// Returns `true` if the end of the parent does not end this worker.
    fn is_detached(&self) -> bool {
        self.is_detached.load(Ordering::Acquire)
    }

    fn parent_guard(&self, parent: ParentProcess) -> ParentGuard {
        let (is_detached, cleanup) = (Arc::clone(&self.is_detached), self.cleanup.clone());
        ParentGuard { parent, is_detached, cleanup }
    }

    /// Reads the host's hello, if there is a handshake. The host must send `token`, unless it is
    /// the first. Owns the stream, so that it closes at once if the host is refused.
    async fn hear(
        &self,
        channel: AnyChannel,
        mut token: Option<String>,
    ) -> Result<Heard<'_>, HandshakeError> {
        let Channel { mut reader, mut writer, hangup, descriptors, .. } = channel;
        let ServeOptions { handshake, connect_timeout, limits, describes, .. } = self.options;
        if !handshake {
            return Ok(Heard { reader, writer, hangup, descriptors: None, greeting: None, token });
        }
        let (services, required) = (self.services.clone(), self.host_services.clone());
        let descriptors = descriptors.filter(|_| C::Framing::NAMES_DESCRIPTORS);
        let features = Features::of_worker(describes).descriptors(descriptors.is_some());
        let identity = handshake::worker::<C>(&self.transport, services, limits, required, features);
        let greeting = tokio::select! {
            // First, because a hello may have arrived while another host was served.
            biased;
            heard = Greeting::hear(&mut reader, &mut writer, identity, &mut token) => heard?,
            () = elapsed(connect_timeout) => {
                let text = format!("the host sent no hello within {connect_timeout:?}");
                return Err(Error::new(ErrorKind::Startup, text).into());
            }
        };
        let descriptors = descriptors.filter(|_| greeting.terms().peer_features.descriptors);
        Ok(Heard { reader, writer, hangup, descriptors, greeting: Some(greeting), token })
    }

    /// Serves a host. Returns the time to linger for the next one, or `None` if the worker ends.
    async fn serve<S: Service + 'static>(
        &self,
        service: &Arc<S>,
        services: &OwnServices,
        connection: AcceptedHost,
        stop: &mut StopSignal,
    ) -> Result<Option<Duration>, Error> {
        let AcceptedHost { reader, writer, buffer, terms, descriptors, orphan_guard, peer, parent } =
            connection;
        let ServeOptions { limits, latency, .. } = self.options;
        let ids = Arc::new(SequentialIds::default());
        let has_callbacks = terms.peer_features.callbacks;
        let link = Link::new(self.codec.clone(), terms, ids, Duration::ZERO, writer);
        link.call_until_closed();
        if let Some(descriptors) = &descriptors {
            link.carry_descriptors(descriptors);
        }
        let callback = has_callbacks.then(|| callback(&link));
        let link = LinkOwner::new(link);
        let handlers = Handlers::new(Arc::clone(service), services.clone(), peer, self.is_process);
        let handlers = handlers.with_callback(callback);
        let mut pump =
            ConnectionTask::new(link.clone(), limits, reader, buffer, handlers).with_latency(latency);
        // `true` if the host may know that this worker is detached.
        let mut has_confirmed = false;
        let (end, is_stopped) = loop {
            tokio::select! {
                biased;
                () = PollOnWake::new(stop.stopped()) => {
                    // A host without a handshake may not know go-aways.
                    link.shut_down(self.options.handshake);
                    break (Ok(drained(&mut pump).await), true);
                }
                end = self.served(&mut pump) => match end {
                    Ok(CloseReason::Leaving) => break (Ok(drained(&mut pump).await), true),
                    Ok(CloseReason::Detached) => {
                        // Before the confirmation, after which the host may exit.
                        self.is_detached.store(true, Ordering::Release);
                        orphan_guard.disarm();
                        link.go_away(GoAway::Detach);
                        has_confirmed = stop.unless(link.flush()).await == Some(true);
                    }
                    end => break (end, false),
                },
            }
        };
        link.fail(Availability::Failed(callbacks_refused()), callback_lost);
        let end = end.inspect_err(|_| orphan_guard.disarm())?;
        if has_confirmed && !is_stopped && matches!(end, CloseReason::Eof | CloseReason::Broken(_)) {
            return Ok(Some(UNLIMITED));
        }
        // A host that has sent another go-away keeps this worker.
        self.is_detached.store(parent.is_none(), Ordering::Release);
        // Disarm before the stream is dropped: its end tells the host that it may exit. If this
        // side ends the connection, the program may clean up for as long as its host lives.
        match &end {
            CloseReason::Eof | CloseReason::Broken(_) if self.is_process => process_group::connection_lost(),
            CloseReason::Eof | CloseReason::Broken(_) => {}
            _ => orphan_guard.disarm(),
        }
        match end {
            CloseReason::GoAway(GoAway::Linger(linger)) if !is_stopped => Ok(Some(linger)),
            CloseReason::Broken(error) => Err(host_gone(error)),
            CloseReason::Violated(error) => Err(error),
            _ => Ok(None),
        }
    }

    /// Serves until the connection ends, or until a panic that ends the worker.
    async fn served<S: Service + 'static>(
        &self,
        pump: &mut ConnectionTask<C, AnyReader, Handlers<S>>,
    ) -> Result<CloseReason, Error> {
        let ended = poll_fn(|cx| match Pin::new(&mut *pump).poll(cx) {
            Poll::Ready(end) => Poll::Ready(Ok(end)),
            Poll::Pending => match pump.handler().panicked() {
                Some(panic) if self.options.exit_on_panic => Poll::Ready(Err(panic.clone())),
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
        let _ = timeout(LAST_WRITE_TIMEOUT, written).await;
        let text = format!("{panic}; this worker ends because of `exit_on_panic`");
        Err(Error::new(ErrorKind::Panicked, text))
    }
}

/// Answers calls in flight, and calls that arrive before the host has received the go-away.
async fn drained<C: Codec, S: Service + 'static>(
    pump: &mut ConnectionTask<C, AnyReader, Handlers<S>>,
) -> CloseReason {
    let mut deadline = None;
    poll_fn(|cx| {
        if let Poll::Ready(end) = Pin::new(&mut *pump).poll(cx) {
            return Poll::Ready(end);
        }
        if !pump.is_idle() {
            deadline = None;
            return Poll::Pending;
        }
        let deadline = deadline.get_or_insert_with(|| Box::pin(sleep(LAST_WRITE_TIMEOUT)));
        if pump.takes_no_requests() || deadline.as_mut().poll(cx).is_ready() {
            return Poll::Ready(CloseReason::GoAway(GoAway::End));
        }
        Poll::Pending
    })
    .await
}

/// Service through which handlers call the host.
fn callback<C: Codec>(link: &Link<C>) -> Arc<dyn Any + Send + Sync> {
    Arc::new(BoxService::new(link.clone()))
}

async fn accept(greeting: Option<Greeting<'_>>, writer: &mut AnyWriter) -> Result<BytesMut, HandshakeError> {
    match greeting {
        Some(greeting) => greeting.accept(writer).await,
        None => Ok(BytesMut::new()),
    }
}

/// Accepts a connection once there is room. Until then it waits in the queue of the listener.
async fn accept_after(
    room: impl Future<Output = ()>,
    incoming: &mut Incoming<AnyReader, AnyWriter>,
) -> io::Result<AnyChannel> {
    room.await;
    incoming.accept().await
}

/// Waits until the parent has ended. Never returns if `parent` is `None`.
async fn parent_ended(parent: Option<ParentProcess>) {
    match parent {
        Some(parent) => parent.ended().await,
        None => std::future::pending().await,
    }
}

/// Error of a callback that was in flight when the connection ended.
fn callback_lost(callback: &str) -> Error {
    let text = format!("could not complete the callback `{callback}`: the connection to the host has ended");
    Error::new(ErrorKind::Closed, text)
}

/// Error of a callback after the connection has ended.
fn callbacks_refused() -> Error {
    let text = "could not call the host back: the connection of the call has ended";
    Error::new(ErrorKind::Closed, text).with_executed(Executed::No)
}

fn stopped() -> Error {
    let text = "it was stopped, by a signal or `Server::stop`, before it was ready";
    Error::new(ErrorKind::Closed, text)
}

fn no_thread(error: io::Error) -> Error {
    let remedy = "raise `ulimit -u` or `ulimit -n`, or the limit of the control group";
    let text = format!("could not start a thread that watches the host: {error}; {remedy}");
    Error::new(ErrorKind::Startup, text)
}

fn refused(failure: HandshakeError) {
    tracing::warn!("a connection was refused: {:#}", error(failure));
}

fn error(failure: HandshakeError) -> Error {
    match failure {
        HandshakeError::Refused(error) => error,
        HandshakeError::Gone(error) => host_gone(error),
        HandshakeError::Declined(why) => Error::new(ErrorKind::Startup, why),
    }
}
