use std::pin::pin;
use std::time::Duration;

use isolated_workers_codec::{Codec, Json};
use isolated_workers_core::{Error, ErrorKind, ExitReason, Limits, Schema, TxIdGenerator, Uuid};
use isolated_workers_middleware::{Layers, Middleware, NoLayers, Stack};
use isolated_workers_transport::{Bound, Channel, Transport, UnixSocket};

use tokio::time::timeout;

use crate::handshake::{self, Failure};
use crate::link::{Link, Nobody, Pump};
use crate::process::Process;
use crate::supervisor::{LAST_WORDS, LIMBO, supervise};
use crate::timeouts::elapsed;
use crate::{Program, Timeouts, Worker};

/// A worker about to be started: [`Worker::builder`].
///
/// The defaults: the codec [`Json`], the transport [`UnixSocket`], no middleware, [`Timeouts::default`],
/// [`Limits::default`], random ids ([`Uuid`]), any service.
#[must_use = "nothing is started until `spawn`"]
pub struct Builder<C = Json, T = UnixSocket, L = NoLayers> {
    program: Program,
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

impl Builder {
    pub(crate) fn new(program: Program) -> Self {
        let settings = Settings {
            timeouts: Timeouts::default(),
            limits: Limits::default(),
            ids: Box::new(Uuid),
            service: None,
        };
        Self { program, codec: Json, transport: UnixSocket, layers: NoLayers, settings }
    }
}

impl<C, T, L> Builder<C, T, L> {
    /// Uses another codec than [`Json`]. The worker must use it, too.
    pub fn codec<C2: Codec>(self, codec: C2) -> Builder<C2, T, L> {
        let Self { program, transport, layers, settings, .. } = self;
        Builder { program, codec, transport, layers, settings }
    }

    /// Uses another transport than [`UnixSocket`]. The worker must use it, too.
    pub fn transport<T2: Transport>(self, transport: T2) -> Builder<C, T2, L> {
        let Self { program, codec, layers, settings, .. } = self;
        Builder { program, codec, transport, layers, settings }
    }

    /// Adds a middleware around the calls. The first one added sees a request first and its reply last.
    pub fn layer<M: Middleware>(self, middleware: M) -> Builder<C, T, Stack<L, M>>
    where
        L: Layers,
    {
        let Self { program, codec, transport, layers, settings } = self;
        Builder { program, codec, transport, layers: Stack::new(layers, middleware), settings }
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

impl<C: Codec, T: Transport, L: Layers> Builder<C, T, L> {
    /// Starts the process and waits until it is ready for calls. Must be called within a tokio runtime with I/O and
    /// time enabled.
    ///
    /// # Errors
    /// `Config` where a setting makes no sense, `Spawn` where the program cannot be started, `Startup` where it ends
    /// or says nothing until the startup timeout, `Handshake` where host and worker do not fit together. No process is
    /// left behind then, nor when the future is dropped.
    pub async fn spawn(self) -> Result<Worker<L::Service<Link<C>>>, Error> {
        let Self { program, codec, transport, layers, settings } = self;
        check(&settings)?;
        let Settings { timeouts, limits, ids, service } = settings;

        let path = program.path().display();
        let mut bound = transport.bind().map_err(|error| {
            let text = format!("could not prepare a {} for the worker {path}", T::NAME);
            Error::with_source(ErrorKind::Spawn, text, error)
        })?;
        let mut process = Process::spawn::<T>(&program, bound.inheritance())?;
        let connect = async {
            let Channel { mut reader, mut writer, .. } = bound.establish().await?;
            let buffer = handshake::greet::<C, T>(&mut reader, &mut writer, service).await?;
            Ok((reader, writer, buffer))
        };
        let mut connect = pin!(connect);
        let connected = tokio::select! {
            biased;
            connected = &mut connect => connected,
            // The stream of a process that has ended ends, too, unless a child of that holds it open.
            _ = process.wait() => match timeout(LAST_WORDS, connect).await {
                Ok(connected) => connected,
                Err(late) => Err(Failure::Gone(late.into())),
            },
            () = elapsed(timeouts.startup) => return Err(silent(&program, &process, timeouts.startup)),
        };
        let (reader, writer, buffer) = match connected {
            Ok(connected) => connected,
            Err(Failure::Refused(error)) => return Err(error),
            Err(Failure::Gone(error)) => return Err(stillborn(&program, process, error).await),
        };

        let link = Link::new(codec, limits, ids, timeouts.message, writer);
        let pump = Pump::new(link.clone(), limits, reader, buffer, Nobody);
        let pid = process.pid();
        let control = supervise(process, link.clone(), pump, timeouts.close);
        Ok(Worker::new(layers.wrap(link), control, pid))
    }
}

impl<C, T, L> std::fmt::Debug for Builder<C, T, L> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder").field("program", &self.program).finish_non_exhaustive()
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

fn silent(program: &Program, process: &Process, limit: Duration) -> Error {
    let text = format!(
        "the worker {} (pid {}) was not ready within {limit:?} and was killed; it must call `serve`, and \
         `Timeouts::startup` sets how long it may take",
        program.path().display(),
        process.pid(),
    );
    Error::new(ErrorKind::Startup, text)
}

/// The stream ended before the handshake, so the process has ended or is about to.
async fn stillborn(program: &Program, mut process: Process, error: std::io::Error) -> Error {
    let path = program.path().display();
    let pid = process.pid();
    let how = match timeout(LIMBO, process.wait()).await {
        Ok(ExitReason::Exited(0)) => "exited with code 0, so it never called `serve`".to_owned(),
        Ok(reason) => reason.to_string(),
        Err(_) => ExitReason::Disconnected.to_string(),
    };
    let text =
        format!("the worker {path} (pid {pid}) {how} before it was ready; its standard error says more");
    Error::with_source(ErrorKind::Startup, text, error)
}
