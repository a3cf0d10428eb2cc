//! The worker's side.

mod handlers;
mod pace;

use std::future::IntoFuture;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use isolated_workers_codec::{Codec, Json};
use isolated_workers_core::{Error, ErrorKind, Limits, Uuid};
use isolated_workers_middleware::{Handler, Layers, Local, Middleware, NoLayers, Stack};
use isolated_workers_transport::{Channel, Transport, UnixSocket};

use self::handlers::Handlers;
use crate::handshake::{self, Failure};
use crate::link::{End, Link, Pump};
use crate::timeouts::elapsed;
use crate::{channel, is_worker};

/// How long a process has to end by itself once its host is gone.
const ORPHAN_GRACE: Duration = Duration::from_millis(500);

/// Answers the host that started this process with `handler`, until the host is done or gone.
///
/// Await what this returns, after choosing what differs from the defaults: the codec [`Json`], the transport
/// [`UnixSocket`], no middleware. They must be the same as the host's, but for the middleware.
///
/// It runs on the tokio runtime that it is awaited on; a current-thread runtime is the fastest unless handlers compute
/// side by side. When the host is gone and the process has not ended half a second later, it is ended with exit
/// code 1, whatever it does.
///
/// # Errors
/// `Startup` where this process was not started by a host, `Handshake` where host and worker do not fit together,
/// `Protocol` where the host sent something that is no frame, `Crashed` where the connection broke.
///
/// ```no_run
/// # use isolated_workers_codec::{Codec, Postcard};
/// # use isolated_workers_core::{Error, Request, Response, Schema};
/// # use isolated_workers_middleware::{Handler, Trace};
/// # use isolated_workers_runtime::serve;
/// # struct Calculator;
/// # impl Handler for Calculator {
/// #     const SCHEMA: Schema = Schema::new("Calculator", 1);
/// #     async fn handle<C: Codec>(&self, codec: &C, request: Request) -> Result<Response, Error> { todo!() }
/// # }
/// #[tokio::main(flavor = "current_thread")]
/// async fn main() -> Result<(), Error> {
///     serve(Calculator).codec(Postcard).layer(Trace).await
/// }
/// ```
pub fn serve<H: Handler>(handler: H) -> Serve<H> {
    let settings = Settings { limits: Limits::default(), connect_timeout: Duration::from_secs(30) };
    Serve { handler, codec: Json, transport: UnixSocket, layers: NoLayers, settings }
}

/// A worker about to serve; await it.
#[derive(Debug)]
#[must_use = "nothing is served until this is awaited"]
pub struct Serve<H, C = Json, T = UnixSocket, L = NoLayers> {
    handler: H,
    codec: C,
    transport: T,
    layers: L,
    settings: Settings,
}

#[derive(Debug)]
struct Settings {
    limits: Limits,
    connect_timeout: Duration,
}

impl<H, C, T, L> Serve<H, C, T, L> {
    /// Uses another codec than [`Json`].
    pub fn codec<C2: Codec>(self, codec: C2) -> Serve<H, C2, T, L> {
        let Self { handler, transport, layers, settings, .. } = self;
        Serve { handler, codec, transport, layers, settings }
    }

    /// Uses another transport than [`UnixSocket`].
    pub fn transport<T2: Transport>(self, transport: T2) -> Serve<H, C, T2, L> {
        let Self { handler, codec, layers, settings, .. } = self;
        Serve { handler, codec, transport, layers, settings }
    }

    /// Adds a middleware around the handler. The first one added sees a request first and its reply last.
    pub fn layer<M: Middleware>(self, middleware: M) -> Serve<H, C, T, Stack<L, M>>
    where
        L: Layers,
    {
        let Self { handler, codec, transport, layers, settings } = self;
        Serve { handler, codec, transport, layers: Stack::new(layers, middleware), settings }
    }

    /// Sets how long the host may take to say what it is, which it does at once as a rule. Zero is no limit. Default:
    /// 30 s.
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.settings.connect_timeout = limit;
        self
    }

    /// Sets what is accepted from the host and sent to it.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.settings.limits = limits;
        self
    }
}

impl<H: Handler, C: Codec, T: Transport, L: Layers> IntoFuture for Serve<H, C, T, L> {
    type Output = Result<(), Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

impl<H: Handler, C: Codec, T: Transport, L: Layers> Serve<H, C, T, L> {
    async fn run(self) -> Result<(), Error> {
        let Self { handler, codec, transport, layers, settings } = self;
        let Settings { limits, connect_timeout } = settings;
        let Channel { mut reader, mut writer, hangup, .. } = attach(&transport).await?;
        if let Some(hangup) = hangup {
            end_with(hangup);
        }
        let greeted = tokio::select! {
            greeted = handshake::answer::<C, T>(&mut reader, &mut writer, H::SCHEMA) => greeted,
            () = elapsed(connect_timeout) => return Err(silent(connect_timeout)),
        };
        let buffer = match greeted {
            Ok(buffer) => buffer,
            Err(Failure::Refused(error)) => return Err(error),
            Err(Failure::Gone(error)) => return Err(host_gone(error)),
        };
        let link = Link::new(codec.clone(), limits, Box::new(Uuid), Duration::ZERO, writer);
        let service = Arc::new(layers.wrap(Local::new(handler, codec)));
        match Pump::new(link, limits, reader, buffer, Handlers::new(service)).await {
            End::Eof | End::Farewell => Ok(()),
            End::Broken(error) => Err(host_gone(error)),
            End::Violated(error) => Err(error),
        }
    }
}

async fn attach<T: Transport>(transport: &T) -> Result<Channel<T::Reader, T::Writer>, Error> {
    let (name, address) = channel::inherited().filter(|_| is_worker()).ok_or_else(|| {
        let what = "start it by a host, with `Worker::builder(Program::new(…)).spawn()`";
        Error::new(
            ErrorKind::Startup,
            format!("this program is a worker and was not started by a host; {what}"),
        )
    })?;
    if name != T::NAME {
        let text = format!(
            "host and worker do not fit together: the host started this process with the transport {name}, and it \
             serves on {}; pass the same one to `.transport(…)` on both",
            T::NAME
        );
        return Err(Error::new(ErrorKind::Handshake, text));
    }
    transport.attach(&address).await.map_err(|error| {
        let text = format!("the worker could not attach to its host at {address}");
        Error::with_source(ErrorKind::Startup, text, error)
    })
}

/// Ends this process some time after `hangup` returns. A thread does it, because a handler may keep the runtime busy
/// for ever.
fn end_with(hangup: Box<dyn FnOnce() + Send>) {
    let watch = move || {
        hangup();
        std::thread::sleep(ORPHAN_GRACE);
        std::process::exit(1);
    };
    let thread = std::thread::Builder::new().name("host-watch".into()).stack_size(64 << 10);
    if let Err(error) = thread.spawn(watch) {
        tracing::warn!(%error, "no thread to watch the host with: a busy worker would outlive it");
    }
}

fn silent(limit: Duration) -> Error {
    Error::new(ErrorKind::Startup, format!("the host did not say what it is within {limit:?}"))
}

fn host_gone(error: std::io::Error) -> Error {
    Error::with_source(ErrorKind::Crashed, "the connection to the host broke", error)
}

/// Runs `main` on a current-thread runtime: what `#[isolated_workers::main]` expands to.
#[doc(hidden)]
pub fn run_worker<F: Future>(main: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime for the worker")
        .block_on(main)
}
