use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use isolated_workers_codec::{Codec, DefaultCodec};
use isolated_workers_core::{Error, ErrorKind, Limits, Schema, SequentialIds, TxIdGenerator};
use isolated_workers_middleware::{Layers, Middleware, NoLayers, Stack};
use isolated_workers_transport::{DefaultTransport, Transport};
use serde::Serialize;

use crate::connection::Link;
use crate::driver::Driver;
use crate::host::starter::{Settings, Starter};
use crate::{Heartbeat, OnCrash, OnTimeout, Program, Timeouts, Worker};

pub(crate) type Parts<D, C, T, L> = (Arc<Starter<D, C, T>>, L, Arc<dyn TxIdGenerator>);

/// A worker about to be started: [`Worker::builder`].
///
/// The defaults: the codec [`DefaultCodec`], the transport of the driver, no middleware, [`Timeouts::default`],
/// [`Limits::default`], ids in a row ([`SequentialIds`]), any service, no startup data.
#[must_use = "nothing is started until `spawn`"]
pub struct Builder<D = Program, C = DefaultCodec, T = DefaultTransport, L = NoLayers> {
    driver: D,
    codec: C,
    transport: T,
    layers: L,
    ids: Arc<dyn TxIdGenerator>,
    /// Encoded when the codec is known.
    startup: Option<Box<dyn erased_serde::Serialize + Send>>,
    pub(crate) settings: Settings,
}

impl<D: Driver> Builder<D, DefaultCodec, D::Transport> {
    pub(crate) fn new(driver: D) -> Self {
        let settings = Settings {
            timeouts: Timeouts::default(),
            limits: Limits::default(),
            service: None,
            on_crash: OnCrash::default(),
            on_timeout: OnTimeout::default(),
            heartbeat: None,
            handshake: true,
            startup: None,
        };
        let transport = driver.transport();
        let ids = Arc::new(SequentialIds::default());
        Self {
            driver,
            codec: DefaultCodec::default(),
            transport,
            layers: NoLayers,
            ids,
            startup: None,
            settings,
        }
    }
}

impl<D, C, T, L> Builder<D, C, T, L> {
    /// Uses another codec than [`DefaultCodec`]. The worker must use it, too.
    pub fn codec<C2: Codec>(self, codec: C2) -> Builder<D, C2, T, L> {
        let Self { driver, transport, layers, ids, startup, settings, .. } = self;
        Builder { driver, codec, transport, layers, ids, startup, settings }
    }

    /// Uses another transport than that of the driver. A worker finds out by itself which of the box it is; one of your
    /// own must be named there, too.
    pub fn transport<T2: Transport>(self, transport: T2) -> Builder<D, C, T2, L> {
        let Self { driver, codec, layers, ids, startup, settings, .. } = self;
        Builder { driver, codec, transport, layers, ids, startup, settings }
    }

    /// Adds a middleware around the calls. The first one added sees a request first and its reply last.
    pub fn layer<M: Middleware>(self, middleware: M) -> Builder<D, C, T, Stack<L, M>>
    where
        L: Layers,
    {
        let Self { driver, codec, transport, layers, ids, startup, settings } = self;
        let layers = Stack::new(layers, middleware);
        Builder { driver, codec, transport, layers, ids, startup, settings }
    }

    /// Tells the worker this when it starts, and each that is started in its place: what
    /// [`serve_with`](crate::serve_with) makes its handler of. It goes over the connection, encoded by its codec, so that it
    /// may hold secrets: nobody else sees it, and no argument, variable, file or log has it. [`Limits::frame`] limits it. A
    /// worker that calls [`serve`](crate::worker) passes over it.
    ///
    /// ```no_run
    /// # use isolated_workers_runtime::{Program, Worker};
    /// # async fn example() -> Result<(), isolated_workers_core::Error> {
    /// #[derive(serde::Serialize)]
    /// struct Config {
    ///     digits: u32,
    /// }
    ///
    /// let program = Program::new("./calculator-worker");
    /// let worker = Worker::builder(program).startup_data(Config { digits: 12 }).spawn().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn startup_data(mut self, data: impl Serialize + Send + 'static) -> Self {
        self.startup = Some(Box::new(data));
        self
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

    /// Sets what makes the ids of calls. Default: [`SequentialIds`].
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
    /// `Config` where a setting makes no sense, `Encode` or `TooLarge` where the startup data does not, `Spawn` where the
    /// worker cannot be started, `Startup` where it ends, says nothing until the startup timeout or can do nothing with its
    /// startup data, `Handshake` where host and worker do not fit together. Nothing is left behind then, nor when the future
    /// is dropped.
    pub async fn spawn(self) -> Result<Worker<L::Service<Link<C>>, T, D>, Error> {
        let (starter, layers, ids) = self.into_parts()?;
        let link = starter.link(ids);
        let control = starter.launch(link.clone()).await?;
        Ok(Worker::new(layers.wrap(link.clone()), control, starter, link))
    }

    /// What workers are started from, the middleware around their calls, and what makes the ids of those.
    pub(crate) fn into_parts(self) -> Result<Parts<D, C, T, L>, Error> {
        let Self { driver, codec, transport, layers, ids, startup, mut settings } = self;
        check(&settings)?;
        settings.startup = match startup {
            Some(startup) => Some(encoded(&startup, &codec, &driver, &settings)?),
            None => None,
        };
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

/// The startup data for the workers of `driver`.
fn encoded<C: Codec>(
    data: &impl Serialize,
    codec: &C,
    driver: &impl Driver,
    settings: &Settings,
) -> Result<Bytes, Error> {
    let attempt = || format!("could not send startup data to the worker {}", driver.subject());
    if driver.token().is_some() {
        let text = format!("{}: it is running already; remove `.startup_data(..)`", attempt());
        return Err(Error::new(ErrorKind::Config, text));
    }
    if !settings.handshake {
        let why = "it goes with the handshake, which `without_handshake` leaves out; remove one of the two";
        return Err(Error::new(ErrorKind::Config, format!("{}: {why}", attempt())));
    }
    let mut bytes = BytesMut::new();
    codec.encode(data, &mut bytes).map_err(|error| {
        Error::with_source(ErrorKind::Encode, format!("{}: it has no {}: {error}", attempt(), C::ID), error)
    })?;
    let (len, most) = (bytes.len(), settings.limits.frame);
    if len > most {
        let what = "make it smaller, or raise the limit on both sides";
        let text = format!("{}: it has {len} bytes, `Limits::frame` allows {most}; {what}", attempt());
        return Err(Error::new(ErrorKind::TooLarge, text));
    }
    Ok(bytes.freeze())
}
