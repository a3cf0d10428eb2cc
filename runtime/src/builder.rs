use std::pin::pin;
use std::time::Duration;

use isolated_workers_codec::{Codec, Json};
use isolated_workers_core::{Error, ErrorKind, ExitReason, Limits, Schema, TxIdGenerator, Uuid};
use isolated_workers_middleware::{Layers, Middleware, NoLayers, Stack};
use isolated_workers_transport::{Bound, Channel, Platform, Transport};
use tokio::time::timeout;

use crate::driver::{Address, Driver, Launch, Running, in_parentheses};
use crate::handshake::{self, Failure};
use crate::link::{Link, Nobody, Pump};
use crate::supervisor::{LAST_WORDS, LIMBO, supervise};
use crate::timeouts::elapsed;
use crate::worker::Way;
use crate::{Program, Timeouts, Worker};

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
    settings: Settings,
}

struct Settings {
    timeouts: Timeouts,
    limits: Limits,
    ids: Box<dyn TxIdGenerator>,
    service: Option<Schema>,
}

impl<D: Driver> Builder<D, Json, D::Transport> {
    pub(crate) fn new(driver: D) -> Self {
        let settings = Settings {
            timeouts: Timeouts::default(),
            limits: Limits::default(),
            ids: Box::new(Uuid),
            service: None,
        };
        let transport = driver.transport();
        Self { driver, codec: Json, transport, layers: NoLayers, settings }
    }
}

impl<D, C, T, L> Builder<D, C, T, L> {
    /// Uses another codec than [`Json`]. The worker must use it, too.
    pub fn codec<C2: Codec>(self, codec: C2) -> Builder<D, C2, T, L> {
        let Self { driver, transport, layers, settings, .. } = self;
        Builder { driver, codec, transport, layers, settings }
    }

    /// Uses another transport than that of the driver. A worker finds out by itself which of the box it is; one of your
    /// own must be named there, too.
    pub fn transport<T2: Transport>(self, transport: T2) -> Builder<D, C, T2, L> {
        let Self { driver, codec, layers, settings, .. } = self;
        Builder { driver, codec, transport, layers, settings }
    }

    /// Adds a middleware around the calls. The first one added sees a request first and its reply last.
    pub fn layer<M: Middleware>(self, middleware: M) -> Builder<D, C, T, Stack<L, M>>
    where
        L: Layers,
    {
        let Self { driver, codec, transport, layers, settings } = self;
        Builder { driver, codec, transport, layers: Stack::new(layers, middleware), settings }
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

    /// Sets what makes the ids of calls.
    pub fn ids(mut self, ids: impl TxIdGenerator) -> Self {
        self.settings.ids = Box::new(ids);
        self
    }

    /// Takes a worker only that serves this; `#[service]` makes the schema: `calculator::SCHEMA`. Without it, a
    /// difference shows when a message does not decode.
    pub fn service(mut self, schema: Schema) -> Self {
        self.settings.service = Some(schema);
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
        let Self { driver, codec, transport, layers, settings } = self;
        check(&settings)?;
        let Settings { timeouts, limits, ids, service } = settings;

        let mut bound = transport.bind().map_err(|error| {
            let text = format!("could not prepare a {} for the worker {}", T::NAME, driver.subject());
            Error::with_source(ErrorKind::Spawn, text, error)
        })?;
        let inheritance = bound.inheritance();
        let token = driver.token().map_or_else(|| Uuid.next_id().to_string(), str::to_owned);
        let address = Address { place: inheritance.address.clone(), token };
        let mut running = driver.start(Launch::new::<T>(inheritance))?;
        let (schema, token) = (service.clone(), address.token.clone());
        let connect = async move {
            let Channel { mut reader, mut writer, residue, .. } = bound.establish().await?;
            let buffer = handshake::greet::<C>(&mut reader, &mut writer, T::NAME, schema, &token).await?;
            Ok((reader, writer, buffer, residue))
        };
        let mut connect = pin!(connect);
        let connected = tokio::select! {
            biased;
            connected = &mut connect => connected,
            // The stream of a process that has ended ends, too, unless a child of that holds it open.
            _ = running.wait() => match timeout(LAST_WORDS, connect).await {
                Ok(connected) => connected,
                Err(late) => Err(Failure::Gone(late.into())),
            },
            () = elapsed(timeouts.startup) => return Err(silent(&driver, running, timeouts.startup).await),
        };
        let (reader, writer, buffer, residue) = match connected {
            Ok(connected) => connected,
            Err(Failure::Refused(error)) => return Err(error),
            Err(Failure::Gone(error)) => return Err(stillborn(&driver, running, error).await),
        };

        let link = Link::new(codec, limits, ids, timeouts.message, writer);
        let pump = Box::pin(Pump::new(link.clone(), limits, reader, buffer, Nobody));
        let (pid, captured) = (running.pid(), running.captured());
        let control = supervise(running, residue, link.clone(), pump, timeouts.close);
        let way = Way { transport, address, service, link: link.clone(), limits, timeouts };
        Ok(Worker::new(layers.wrap(link), control, pid, captured, way))
    }
}

impl<D: std::fmt::Debug, C, T, L> std::fmt::Debug for Builder<D, C, T, L> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder").field("driver", &self.driver).finish_non_exhaustive()
    }
}

/// The smallest frame that an error about a frame fits into.
const LEAST_FRAME: usize = 1 << 10;

fn check(settings: &Settings) -> Result<(), Error> {
    let frame = settings.limits.frame;
    if !(LEAST_FRAME..=u32::MAX as usize).contains(&frame) {
        let text = format!("Limits::frame is {frame} bytes; it must be {LEAST_FRAME} to {}", u32::MAX);
        return Err(Error::new(ErrorKind::Config, text));
    }
    Ok(())
}

async fn silent<D: Driver>(driver: &D, mut running: D::Running, limit: Duration) -> Error {
    running.kill();
    let _ = timeout(LIMBO, running.wait()).await;
    let why = format!(
        "was not ready within {limit:?} and was killed; it must call `serve`, and `Timeouts::startup` sets how long it \
         may take"
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
        words => format!("; its last words:\n{words}"),
    };
    Error::new(ErrorKind::Startup, format!("the worker {}{pid} {why}{words}", driver.subject()))
}
