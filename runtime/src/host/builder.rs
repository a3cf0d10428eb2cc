use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use isolated_workers_codec::{BodyLimit, Codec, DefaultCodec, Pieces};
use isolated_workers_core::{
    Error, ErrorKind, Executed, Limits, Schema, SequentialIds, Services, TxIdGenerator,
};
use isolated_workers_middleware::{Handler, Layers, Middleware, NoLayers, Stack};
use isolated_workers_transport::{DefaultTransport, Transport};
use serde::Serialize;

use crate::driver::Driver;
use crate::handshake;
use crate::host::callbacks::{HostHandler, NoCallbacks};
use crate::host::settings::HostSettings;
use crate::host::starter::Starter;
use crate::{Heartbeat, Latency, OnCrash, OnTimeout, Program, Timeouts};

/// Starter of a worker, its layers, and the generator of its call ids.
pub(crate) type BuilderParts<D, C, T, L> = (Arc<Starter<D, C, T>>, L, Arc<dyn TxIdGenerator>);

/// Builder of a worker; see [`Worker::builder`](crate::Worker::builder).
///
/// Defaults: the codec [`DefaultCodec`], the driver's transport, no middleware,
/// [`Timeouts::default`], [`Limits::default`], [`SequentialIds`], any service, no startup data.
#[must_use = "nothing is started until `spawn`"]
pub struct Builder<D = Program, C = DefaultCodec, T = DefaultTransport, L = NoLayers, H = NoCallbacks> {
    driver: D,
    codec: C,
    transport: T,
    layers: L,
    callbacks: H,
    ids: Arc<dyn TxIdGenerator>,
    /// Encoded by `spawn`, once the codec is known.
    startup: Option<Box<dyn erased_serde::Serialize + Send>>,
    /// Services that the worker must serve.
    services: Vec<Schema>,
    pub(crate) settings: HostSettings,
}

impl<D: Driver> Builder<D, DefaultCodec, D::Transport> {
    pub(crate) fn new(driver: D) -> Self {
        let settings = HostSettings {
            timeouts: Timeouts::default(),
            limits: Limits::default(),
            services: Services::default(),
            on_crash: OnCrash::default(),
            on_timeout: OnTimeout::default(),
            heartbeat: None,
            latency: Latency::default(),
            descriptors: false,
            handshake: true,
            #[cfg(feature = "sandbox")]
            sandbox: None,
            startup: None,
        };
        let transport = driver.transport();
        let ids = Arc::new(SequentialIds::default());
        Self {
            driver,
            codec: DefaultCodec::default(),
            transport,
            layers: NoLayers,
            callbacks: NoCallbacks,
            ids,
            startup: None,
            services: Vec::new(),
            settings,
        }
    }
}

impl<D, C, T, L, H> Builder<D, C, T, L, H> {
    /// Sets the codec; the worker must use the same. Default: [`DefaultCodec`].
    pub fn codec<C2: Codec>(self, codec: C2) -> Builder<D, C2, T, L, H> {
        let Self { driver, transport, layers, callbacks, ids, startup, services, settings, .. } = self;
        Builder { driver, codec, transport, layers, callbacks, ids, startup, services, settings }
    }

    /// Sets the transport. Default: the driver's.
    ///
    /// A worker detects a built-in transport. A custom one must also be set in the worker.
    pub fn transport<T2: Transport>(self, transport: T2) -> Builder<D, C, T2, L, H> {
        let Self { driver, codec, layers, callbacks, ids, startup, services, settings, .. } = self;
        Builder { driver, codec, transport, layers, callbacks, ids, startup, services, settings }
    }

    /// Adds a middleware around the calls. The first one added sees a request first and its reply
    /// last.
    pub fn layer<M: Middleware>(self, middleware: M) -> Builder<D, C, T, Stack<L, M>, H>
    where
        L: Layers,
    {
        let Self { driver, codec, transport, layers, callbacks, ids, startup, services, settings } = self;
        let layers = Stack::new(layers, middleware);
        Builder { driver, codec, transport, layers, callbacks, ids, startup, services, settings }
    }

    /// Serves `handler` to the worker: its handlers may call the host back, with
    /// [`Context::host`](isolated_workers_middleware::Context::host). Default: the host serves
    /// nothing, and refuses such calls. To serve several services, pass a
    /// [`Router`](isolated_workers_middleware::Router).
    ///
    /// Callbacks run on the runtime of [`spawn`](Self::spawn), in the task that reads from the
    /// worker. A worker is not trusted: at most 64 of its calls and 8 MiB of their messages are
    /// taken at once, and at most 8 calls that wait for each other. A callback needs a handshake.
    pub fn serve<H2: Handler>(self, handler: H2) -> Builder<D, C, T, L, H2> {
        let Self { driver, codec, transport, layers, ids, startup, services, settings, .. } = self;
        Builder { driver, codec, transport, layers, callbacks: handler, ids, startup, services, settings }
    }

    /// Sets the startup data, from which [`serve_with`](crate::serve_with) makes the worker's
    /// handler.
    ///
    /// Each respawned process receives the data as well. It is sent over the connection, encoded by
    /// the codec. It may contain secrets: it appears in no argument, environment variable, file or
    /// log. Its size limit is [`Limits::frame`]. A worker that calls [`serve`](crate::serve)
    /// ignores it.
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

    /// Sets the time limits for startup, calls and shutdown. Default: [`Timeouts::default`].
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.settings.timeouts = timeouts;
        self
    }

    /// Sets the limits of frames and values, in both directions. Default: [`Limits::default`].
    pub fn limits(mut self, limits: Limits) -> Self {
        self.settings.limits = limits;
        self
    }

    /// Sets the crash policy. Default: [`OnCrash::reject`].
    pub fn on_crash(mut self, policy: OnCrash) -> Self {
        self.settings.on_crash = policy;
        self
    }

    /// Sets the reaction to a call that exceeds its timeout. Default: [`OnTimeout::Cancel`].
    pub fn on_timeout(mut self, policy: OnTimeout) -> Self {
        self.settings.on_timeout = policy;
        self
    }

    /// Detects and kills a hung worker. Default: no heartbeat.
    pub fn heartbeat(mut self, heartbeat: Heartbeat) -> Self {
        self.settings.heartbeat = Some(heartbeat);
        self
    }

    /// Sets the time for which the host looks for an answer before its thread sleeps. Default:
    /// [`Latency::Balanced`].
    pub fn latency(mut self, latency: Latency) -> Self {
        self.settings.latency = latency;
        self
    }

    /// Lets calls carry open descriptors ([`Fd`](isolated_workers_codec::Fd)), in both directions.
    /// Default: a call with a descriptor fails with `Unsupported`.
    ///
    /// Needs the transport `UnixSocket`, `SocketPair` or `InMemory`, and a handshake. A worker that
    /// supports descriptors needs no setting. The host takes no more than 16 descriptors with a
    /// value, and closes those that nobody takes. Reads then use a slower system call.
    pub fn descriptors(mut self) -> Self {
        self.settings.descriptors = true;
        self
    }

    /// Confines each process of the worker. Default: a worker has all rights of its user.
    ///
    /// [`spawn`](Self::spawn) fails with [`Sandbox`](ErrorKind::Sandbox) if a protection cannot be
    /// had. With [`Attach`](crate::Attach), the worker must announce the protections already.
    #[cfg(feature = "sandbox")]
    pub fn sandbox(mut self, sandbox: crate::sandbox::Sandbox) -> Self {
        self.settings.sandbox = Some(sandbox);
        self
    }

    /// Sets the generator of call ids. Default: [`SequentialIds`].
    pub fn ids(mut self, ids: impl TxIdGenerator) -> Self {
        self.ids = Arc::new(ids);
        self
    }

    /// Accepts only a worker that serves this schema. `#[service]` generates it as
    /// `calculator::SCHEMA`. Without this check, a mismatch appears only when a message does not
    /// decode. Call it once for each service that the worker must serve.
    pub fn service(mut self, schema: Schema) -> Self {
        self.services.push(schema);
        self
    }

    /// Skips the handshake, for a worker that has none, such as one in another language. The worker
    /// must skip it as well: [`Serve::without_handshake`](crate::Serve::without_handshake).
    ///
    /// Consequences:
    /// - Protocol, codec and service are not compared. A mismatch appears as a frame or value that
    ///   does not decode.
    /// - A reconnected worker does not receive a token. The transport still checks that the
    ///   worker's process belongs to the same user.
    /// - [`spawn`](Self::spawn) returns when the transport is connected. With most transports, a
    ///   worker that fails to start then fails the first call. With
    ///   [`UnixSocket::bound_by_worker`](isolated_workers_transport::UnixSocket), `spawn` returns
    ///   when the worker listens.
    pub fn without_handshake(mut self) -> Self {
        self.settings.handshake = false;
        self
    }
}

impl<D: Driver, C: Codec, T: Transport, L: Layers, H: HostHandler> Builder<D, C, T, L, H> {
    /// Returns the starter, layers and id generator of the configured worker.
    pub(crate) fn into_parts(self) -> Result<BuilderParts<D, C, T, L>, Error> {
        let Self { driver, codec, transport, layers, callbacks, ids, startup, services, mut settings } = self;
        settings.services = handshake::required(&services, "worker")?;
        check(&settings)?;
        let callbacks = callbacks.into_callbacks(&codec, settings.limits)?;
        if callbacks.is_some() && !settings.handshake {
            let why = "the handshake offers them, and `without_handshake` skips that; remove one of the two";
            return Err(Error::new(
                ErrorKind::Config,
                format!("could not serve the calls of the worker: {why}"),
            ));
        }
        settings.startup = match startup {
            Some(startup) => Some(encode_startup_data(&startup, &codec, &driver, &settings)?),
            None => None,
        };
        Ok((Arc::new(Starter { driver, codec, transport, callbacks, settings }), layers, ids))
    }
}

impl<D: std::fmt::Debug, C, T, L, H> std::fmt::Debug for Builder<D, C, T, L, H> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder").field("driver", &self.driver).finish_non_exhaustive()
    }
}

fn check(settings: &HostSettings) -> Result<(), Error> {
    settings.limits.check()?;
    settings.timeouts.check()?;
    settings.on_crash.check()?;
    settings.latency.check()?;
    if let Some(heartbeat) = settings.heartbeat {
        heartbeat.check()?;
    }
    #[cfg(feature = "sandbox")]
    if settings.sandbox.is_some() && !settings.handshake {
        let why = "the handshake shows if it is confined, and `without_handshake` skips that; remove one of the two";
        return Err(Error::new(ErrorKind::Config, format!("could not confine the worker: {why}")));
    }
    if let (Some(service), false) = (settings.services.default_service(), settings.handshake) {
        let why = "the handshake carries it, and `without_handshake` skips that; remove one of the two";
        let text = format!("could not check that the worker serves {service}: {why}");
        return Err(Error::new(ErrorKind::Config, text));
    }
    Ok(())
}

/// Encodes the startup data for a worker of `driver`.
fn encode_startup_data<C: Codec>(
    data: &impl Serialize,
    codec: &C,
    driver: &impl Driver,
    settings: &HostSettings,
) -> Result<Bytes, Error> {
    let attempt = || format!("could not send startup data to the worker {}", driver.subject());
    if driver.token().is_some() {
        let text = format!("{}: it is running already; remove `.startup_data(..)`", attempt());
        return Err(Error::new(ErrorKind::Config, text));
    }
    if !settings.handshake {
        let why = "the handshake carries it, and `without_handshake` skips that; remove one of the two";
        return Err(Error::new(ErrorKind::Config, format!("{}: {why}", attempt())));
    }
    let mut bytes = BytesMut::new();
    let mut pieces = Pieces::new(&mut bytes);
    // Startup data is in no frame, so compression does not apply.
    pieces.limit_to(BodyLimit::of_frame(settings.limits));
    let encoded = codec.encode_pieces(data, &mut pieces);
    let encoded = pieces.check(encoded).map(|()| pieces.into_shared());
    let shared = encoded.map_err(|error| {
        let kind = if error.is_over_budget() { ErrorKind::TooLarge } else { ErrorKind::Encode };
        let text = format!("{}, encoded as {}: {error}", attempt(), C::ID);
        Error::with_source(kind, text, error).with_executed(Executed::No)
    })?;
    Ok(shared.into_body(bytes.freeze()).into_bytes())
}
