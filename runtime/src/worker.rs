//! The worker's side.

mod handlers;
mod heap;
mod make_handler;
mod pace;
#[cfg_attr(target_os = "linux", path = "worker/parent/linux.rs")]
#[cfg_attr(not(target_os = "linux"), path = "worker/parent/other.rs")]
mod parent;
mod place;
mod server;
mod session;
mod signals;
mod watch;

use std::fmt;
use std::future::IntoFuture;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use isolated_workers_codec::{Codec, DefaultCodec};
use isolated_workers_core::{BoxError, Error, ErrorKind, Limits};
use isolated_workers_middleware::{Handler, Layers, Middleware, NoLayers, Stack, panic_place};
use isolated_workers_transport::{Cleanup, Transport};
use serde::de::DeserializeOwned;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::JoinSet;

pub use self::make_handler::{FromStartupData, MakeHandler};
pub use self::server::Server;
use self::server::Stopped;
use self::session::Session;
use self::signals::Obedience;
use crate::inherited::{AnyChannel, Inherited};

/// Answers the host that started this process with `handler`, until the host is done or gone.
///
/// Await what this returns, after choosing what differs from the defaults: the codec [`DefaultCodec`], which must be the host's,
/// and no middleware. Transport and driver are those that the host has chosen.
///
/// It runs on the tokio runtime that it is awaited on; a current-thread runtime is the fastest unless handlers compute
/// side by side. When the host is gone and the process has not ended half a second later, it is ended with exit
/// code 1, whatever it does.
///
/// SIGTERM and SIGINT (on Windows Ctrl-C and Ctrl-Break) drain a worker that is a process, as [`Server::stop`] does; a
/// second one ends it at once, with the exit code that tells of the signal (143, 130).
///
/// A handler that panics fails its call, and the worker goes on; the error tells message and place.
///
/// # Errors
/// `Config` where a limit makes no sense, `Startup` where this process was not started by a host, `Handshake` where host
/// and worker do not fit together, `Protocol` where the host sent something that is no frame, `Crashed` where the
/// connection broke.
///
/// ```no_run
/// # use isolated_workers_codec::{Codec, Postcard};
/// # use isolated_workers_core::{Error, Request, Response, Schema};
/// # use isolated_workers_middleware::{Handler, Trace};
/// # use isolated_workers_runtime::serve;
/// # struct Calculator;
/// # impl Handler for Calculator {
/// #     const SCHEMA: Schema = Schema::new("Calculator", 1);
/// #     async fn handle<C: Codec>(&self, _: &C, request: Request) -> Result<Response, Error> {
/// #         Err(isolated_workers_middleware::handler::unknown_message(&Self::SCHEMA, &request))
/// #     }
/// # }
/// #[tokio::main(flavor = "current_thread")]
/// async fn main() -> Result<(), Error> {
///     serve(Calculator).codec(Postcard).layer(Trace).await
/// }
/// ```
pub fn serve<H: Handler>(handler: H) -> Serve<H> {
    Serve::new(handler)
}

/// As [`serve`], with a handler that is made of what the host says with
/// [`Builder::startup_data`](crate::Builder::startup_data). The host's `spawn` returns when the handler is made.
///
/// The data is decoded by the codec of the connection within [`Serve::limits`]. Where there is none, it is not a `T`, or
/// `make` fails, both sides hear why: here it is a `Startup` error, and so it is on the host.
///
/// ```no_run
/// # use isolated_workers_codec::Codec;
/// # use isolated_workers_core::{Error, Request, Response, Schema};
/// # use isolated_workers_middleware::Handler;
/// # use isolated_workers_runtime::serve_with;
/// # struct Calculator { digits: u32 }
/// # impl Handler for Calculator {
/// #     const SCHEMA: Schema = Schema::new("Calculator", 1);
/// #     async fn handle<C: Codec>(&self, _: &C, request: Request) -> Result<Response, Error> {
/// #         Err(isolated_workers_middleware::handler::unknown_message(&Self::SCHEMA, &request))
/// #     }
/// # }
/// #[derive(serde::Deserialize)]
/// struct Config {
///     digits: u32,
/// }
///
/// #[tokio::main(flavor = "current_thread")]
/// async fn main() -> Result<(), Error> {
///     serve_with(async |config: Config| match config.digits {
///         0 => Err("a calculator needs a digit"),
///         digits => Ok(Calculator { digits }),
///     })
///     .await
/// }
/// ```
pub fn serve_with<T, F, Fut, H, E>(make: F) -> Serve<FromStartupData<T, F>>
where
    T: DeserializeOwned + Send + 'static,
    F: FnOnce(T) -> Fut + Send + 'static,
    Fut: Future<Output = Result<H, E>> + Send,
    H: Handler,
    E: Into<BoxError>,
{
    Serve::new(FromStartupData::new(make))
}

/// A worker about to serve; await it.
#[must_use = "nothing is served until this is awaited"]
pub struct Serve<M, C = DefaultCodec, L = NoLayers> {
    make: M,
    codec: C,
    attach: Attach,
    layers: L,
    settings: Settings,
}

#[derive(Debug)]
struct Settings {
    limits: Limits,
    connect_timeout: Duration,
    handshake: bool,
    exit_on_panic: bool,
}

/// How a worker gets its channel.
type Attach = Box<dyn FnOnce(Inherited) -> Attaching + Send>;
type Attaching = Pin<Box<dyn Future<Output = Result<AnyChannel, Error>> + Send>>;

impl<M> Serve<M> {
    fn new(make: M) -> Self {
        let settings = Settings {
            limits: Limits::default(),
            connect_timeout: Duration::from_secs(30),
            handshake: true,
            exit_on_panic: false,
        };
        let attach: Attach = Box::new(|inherited| Box::pin(inherited.attach()));
        Self { make, codec: DefaultCodec::default(), attach, layers: NoLayers, settings }
    }
}

impl<M, C, L> Serve<M, C, L> {
    /// Uses another codec than [`DefaultCodec`].
    pub fn codec<C2: Codec>(self, codec: C2) -> Serve<M, C2, L> {
        let Self { make, attach, layers, settings, .. } = self;
        Serve { make, codec, attach, layers, settings }
    }

    /// Takes this transport and no other. Without it, the worker takes whichever of the box its host has chosen; a
    /// transport of your own must be named.
    pub fn transport<T: Transport>(mut self, transport: T) -> Self {
        self.attach = Box::new(|inherited| Box::pin(inherited.attach_by(transport)));
        self
    }

    /// Adds a middleware around the handler. The first one added sees a request first and its reply last.
    pub fn layer<W: Middleware>(self, middleware: W) -> Serve<M, C, Stack<L, W>>
    where
        L: Layers,
    {
        let Self { make, codec, attach, layers, settings } = self;
        let layers = Stack::new(layers, middleware);
        Serve { make, codec, attach, layers, settings }
    }

    /// Sets how long the host may take to say what it is, which it does at once as a rule. Zero is no limit. Default:
    /// 30 s.
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.settings.connect_timeout = limit;
        self
    }

    /// Begins with the first message, for a host that knows no handshake, such as one in another language:
    /// [`Builder::without_handshake`](crate::Builder::without_handshake) says what is not checked then. A worker that is
    /// started by a host in Node.js does so by itself.
    pub fn without_handshake(mut self) -> Self {
        self.settings.handshake = false;
        self
    }

    /// Ends the worker when a handler has panicked, for one whose state cannot be trusted then: the error reply goes out, and
    /// serving ends with a `Panicked` error, so that a `main` that returns it has exit code 1. What else was in flight fails
    /// as it does in a crash, and the host starts the worker again where it is told to. Default: the worker goes on.
    pub fn exit_on_panic(mut self) -> Self {
        self.settings.exit_on_panic = true;
        self
    }

    /// Sets what is accepted from the host and sent to it.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.settings.limits = limits;
        self
    }
}

impl<M, C, L> fmt::Debug for Serve<M, C, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serve").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl<M: MakeHandler, C: Codec, L: Layers> IntoFuture for Serve<M, C, L> {
    type Output = Result<(), Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.start().1)
    }
}

impl<M: MakeHandler, C: Codec, L: Layers> Serve<M, C, L> {
    /// Returns a handle to stop the worker with from within, and the future that serves, which has to be awaited as
    /// [`Serve`] itself otherwise. Dropping the future ends the connection and what is in flight at once.
    ///
    /// ```no_run
    /// # use isolated_workers_core::Error;
    /// # use isolated_workers_middleware::Handler;
    /// # use isolated_workers_runtime::serve;
    /// # async fn example(calculator: impl Handler, licence_is_over: impl Future<Output = ()>) -> Result<(), Error> {
    /// let (server, serving) = serve(calculator).start();
    /// let watch = async {
    ///     licence_is_over.await;
    ///     server.stop();
    /// };
    /// tokio::join!(serving, watch).0
    /// # }
    /// ```
    pub fn start(self) -> (Server, impl Future<Output = Result<(), Error>> + Send + use<M, C, L>) {
        let (server, stopped) = Server::new();
        (server.clone(), self.run(server, stopped))
    }

    async fn run(self, server: Server, mut stopped: Stopped) -> Result<(), Error> {
        let Self { make, codec, attach, layers, mut settings } = self;
        settings.limits.check()?;
        let inherited = Inherited::take()?;
        inherited.check_codec(C::ID)?;
        let cleanup = Arc::new(OnceLock::new());
        let is_process = inherited.is_process();
        if is_process {
            // First, so that there is nothing to clean up yet when a signal comes that is not listened for.
            stopped.obey(Obedience::new(server, Arc::clone(&cleanup)));
            panic_place::keep();
        }
        settings.handshake &= inherited.has_handshake();
        let transport = inherited.transport().to_owned();
        let Some(channel) = stopped.unless(attach(inherited)).await else { return Ok(()) };
        let channel = channel?;
        let _cleanup = RemoveOnExit(channel.cleanup.clone());
        if let Some(own) = &channel.cleanup {
            cleanup.get_or_init(|| own.clone());
        }
        let cleanup = channel.cleanup.clone();
        let session = Session { codec, settings, schema: M::Handler::SCHEMA, transport, cleanup, is_process };
        // In a box, because it is large: moved as a whole, it would touch memory that is fresh from the system in two more places.
        beside_the_sockets(Box::pin(session.run(make, layers, channel, stopped))).await
    }
}

/// Awaits `future`, on a runtime of many threads as a task of its own: that is polled by the thread that hears from the
/// socket, while the one that `main` is awaited on would have to be woken for each message.
async fn beside_the_sockets<F>(future: F) -> F::Output
where
    F: Future<Output: Send> + Send + 'static,
{
    if Handle::current().runtime_flavor() == RuntimeFlavor::CurrentThread {
        return future.await;
    }
    // A set of one, because it ends its task when it is dropped.
    let mut task = JoinSet::new();
    task.spawn(future);
    match task.join_next().await.expect("a task was spawned") {
        Ok(output) => output,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // It is ended with its runtime, and so is whoever waits for it.
            Err(_) => std::future::pending().await,
        },
    }
}

/// Removes what this end has outside of its process, also where a thread that watches still has a part in it.
struct RemoveOnExit(Option<Cleanup>);

impl Drop for RemoveOnExit {
    fn drop(&mut self) {
        if let Some(cleanup) = &self.0 {
            cleanup.run();
        }
    }
}

fn host_gone(error: std::io::Error) -> Error {
    Error::with_source(ErrorKind::Crashed, "the connection to the host broke", error)
}

/// Runs `main` on a current-thread runtime: what `#[isolated_workers::main]` expands to.
#[doc(hidden)]
pub fn run_worker<F: Future>(main: F) -> F::Output {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime for the worker");
    let output = runtime.block_on(main);
    // Nobody waits any more for what a blocking handler still does.
    runtime.shutdown_background();
    output
}
