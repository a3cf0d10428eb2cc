use std::sync::Arc;

use isolated_workers_codec::{Codec, Json};
use isolated_workers_core::{Error, ErrorKind, Limits, Schema, TxIdGenerator, Uuid};
use isolated_workers_middleware::{Layers, Middleware, NoLayers, Stack};
use isolated_workers_transport::{Platform, Transport};

use crate::driver::Driver;
use crate::link::Link;
use crate::starter::{Settings, Starter};
use crate::{Heartbeat, OnCrash, OnTimeout, Program, Timeouts, Worker};

pub(crate) type Parts<D, C, T, L> = (Arc<Starter<D, C, T>>, L, Arc<dyn TxIdGenerator>);

/// A worker about to be started: [`Worker::builder`].
///
/// The defaults: the codec [`Json`], the transport of the driver, no middleware, [`Timeouts::default`],
/// [`Limits::default`], random ids ([`Uuid`]), any service.
#[must_use = "nothing is started until `spawn`"]
pub struct Builder<D = Program, C = Json, T = Platform, L = NoLayers> {
    driver: D,
    codec: C,
    transport: T,
    layers: L,
    ids: Arc<dyn TxIdGenerator>,
    pub(crate) settings: Settings,
}

impl<D: Driver> Builder<D, Json, D::Transport> {
    pub(crate) fn new(driver: D) -> Self {
        let settings = Settings {
            timeouts: Timeouts::default(),
            limits: Limits::default(),
            service: None,
            on_crash: OnCrash::default(),
            on_timeout: OnTimeout::default(),
            heartbeat: None,
            handshake: true,
        };
        let transport = driver.transport();
        Self { driver, codec: Json, transport, layers: NoLayers, ids: Arc::new(Uuid), settings }
    }
}

impl<D, C, T, L> Builder<D, C, T, L> {
    /// Uses another codec than [`Json`]. The worker must use it, too.
    pub fn codec<C2: Codec>(self, codec: C2) -> Builder<D, C2, T, L> {
        let Self { driver, transport, layers, ids, settings, .. } = self;
        Builder { driver, codec, transport, layers, ids, settings }
    }

    /// Uses another transport than that of the driver. A worker finds out by itself which of the box it is; one of your
    /// own must be named there, too.
    pub fn transport<T2: Transport>(self, transport: T2) -> Builder<D, C, T2, L> {
        let Self { driver, codec, layers, ids, settings, .. } = self;
        Builder { driver, codec, transport, layers, ids, settings }
    }

    /// Adds a middleware around the calls. The first one added sees a request first and its reply last.
    pub fn layer<M: Middleware>(self, middleware: M) -> Builder<D, C, T, Stack<L, M>>
    where
        L: Layers,
    {
        let Self { driver, codec, transport, layers, ids, settings } = self;
        Builder { driver, codec, transport, layers: Stack::new(layers, middleware), ids, settings }
    }

    /// Sets how long the parts of the worker's life may take.
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.settings.timeouts = timeouts;
        self
    }

    /// Sets what is accepted from the worker and sent to it.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.settings.limits = limits;
        self
    }

    /// Sets what happens when the worker dies. Default: [`OnCrash::reject`].
    pub fn on_crash(mut self, policy: OnCrash) -> Self {
        self.settings.on_crash = policy;
        self
    }

    /// Sets what happens when the time of a call is over. Default: [`OnTimeout::Cancel`].
    pub fn on_timeout(mut self, policy: OnTimeout) -> Self {
        self.settings.on_timeout = policy;
        self
    }

    /// Finds out when the worker hangs, and kills it then. Default: nobody asks.
    pub fn heartbeat(mut self, heartbeat: Heartbeat) -> Self {
        self.settings.heartbeat = Some(heartbeat);
        self
    }

    /// Sets what makes the ids of calls.
    pub fn ids(mut self, ids: impl TxIdGenerator) -> Self {
        self.ids = Arc::new(ids);
        self
    }

    /// Takes a worker only that serves this; `#[service]` makes the schema: `calculator::SCHEMA`. Without it, a
    /// difference shows when a message does not decode.
    pub fn service(mut self, schema: Schema) -> Self {
        self.settings.service = Some(schema);
        self
    }

    /// Begins with the first call, for a worker that knows no handshake, such as one in another language. It must be
    /// told the same: [`Serve::without_handshake`](crate::Serve::without_handshake).
    ///
    /// Nobody then checks that protocol, codec and service are the same on both sides: a difference shows as frames or
    /// values that do not decode. A worker that is reached again is not shown a token; that its process is the same
    /// user's is checked by the transport all the same. And [`spawn`](Self::spawn) is done when the transport is
    /// connected, which on most of them says nothing of the worker: one that fails to start fails the first call. On
    /// [`UnixSocket::bound_by_worker`](isolated_workers_transport::UnixSocket) it says that the worker listens.
    pub fn without_handshake(mut self) -> Self {
        self.settings.handshake = false;
        self
    }
}

impl<D: Driver, C: Codec, T: Transport, L: Layers> Builder<D, C, T, L> {
    /// Starts the worker and waits until it is ready for calls. Must be called within a tokio runtime with I/O and time
    /// enabled.
    ///
    /// # Errors
    /// `Config` where a setting makes no sense, `Spawn` where the worker cannot be started, `Startup` where it ends or
    /// says nothing until the startup timeout, `Handshake` where host and worker do not fit together. Nothing is left
    /// behind then, nor when the future is dropped.
    pub async fn spawn(self) -> Result<Worker<L::Service<Link<C>>, T, D>, Error> {
        let (starter, layers, ids) = self.into_parts()?;
        let (link, control) = starter.launch(ids).await?;
        Ok(Worker::new(layers.wrap(link.clone()), control, starter, link))
    }

    /// What workers are started from, the middleware around their calls, and what makes the ids of those.
    pub(crate) fn into_parts(self) -> Result<Parts<D, C, T, L>, Error> {
        let Self { driver, codec, transport, layers, ids, settings } = self;
        check(&settings)?;
        Ok((Arc::new(Starter { driver, codec, transport, settings }), layers, ids))
    }
}

impl<D: std::fmt::Debug, C, T, L> std::fmt::Debug for Builder<D, C, T, L> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder").field("driver", &self.driver).finish_non_exhaustive()
    }
}

fn check(settings: &Settings) -> Result<(), Error> {
    settings.limits.check()?;
    if let Some((name, limit)) = settings.timeouts.absurd() {
        let text =
            format!("Timeouts::{name} is {limit:?}; it must be ten years at most, and zero is no limit");
        return Err(Error::new(ErrorKind::Config, text));
    }
    if settings.heartbeat.is_some_and(|heartbeat| heartbeat.interval.is_zero() || heartbeat.timeout.is_zero())
    {
        let text = "a Heartbeat of zero would take every worker for hung; set an interval and a timeout";
        return Err(Error::new(ErrorKind::Config, text));
    }
    if let (Some(service), false) = (&settings.service, settings.handshake) {
        let why = "only the handshake can tell, and `without_handshake` leaves it out; remove one of the two";
        let text = format!("could not make sure that the worker serves {service}: {why}");
        return Err(Error::new(ErrorKind::Config, text));
    }
    Ok(())
}
