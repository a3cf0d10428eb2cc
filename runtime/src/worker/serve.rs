//! Builder and future of a serving worker.

use std::fmt;
use std::future::IntoFuture;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use isolated_workers_codec::{Codec, DefaultCodec};
use isolated_workers_core::{Error, Limits, Schema};
use isolated_workers_middleware::router::services_of;
use isolated_workers_middleware::{Layers, Middleware, NoLayers, Stack, panic_location};
use isolated_workers_transport::{Cleanup, Transport};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::JoinSet;

use super::make_handler::MakeHandler;
use super::server::Server;
use super::session::Session;
use super::signal_listener::SignalListener;
use super::stop_signal::StopSignal;
use crate::Latency;
use crate::handshake;
use crate::launch::{AnyChannel, Inherited};

/// Builder of a serving worker. Await it to serve.
#[must_use = "nothing is served until this is awaited"]
pub struct Serve<M, C = DefaultCodec, L = NoLayers> {
    make: M,
    codec: C,
    attach: AttachFn,
    layers: L,
    options: ServeOptions,
}

#[derive(Debug)]
pub(super) struct ServeOptions {
    pub(super) limits: Limits,
    pub(super) latency: Latency,
    pub(super) connect_timeout: Duration,
    pub(super) handshake: bool,
    pub(super) exit_on_panic: bool,
    /// `true` if the worker answers the reserved service.
    pub(super) describes: bool,
    /// Services that the worker requires of its host.
    pub(super) host_services: Vec<Schema>,
}

/// Function that attaches to the host.
type AttachFn = Box<dyn FnOnce(Inherited) -> Attaching + Send>;
type Attaching = Pin<Box<dyn Future<Output = Result<AnyChannel, Error>> + Send>>;

impl<M> Serve<M> {
    pub(super) fn new(make: M) -> Self {
        let options = ServeOptions {
            limits: Limits::default(),
            latency: Latency::default(),
            connect_timeout: Duration::from_secs(30),
            handshake: true,
            exit_on_panic: false,
            describes: cfg!(debug_assertions),
            host_services: Vec::new(),
        };
        let attach: AttachFn = Box::new(|inherited| Box::pin(inherited.attach()));
        Self { make, codec: DefaultCodec::default(), attach, layers: NoLayers, options }
    }
}

impl<M, C, L> Serve<M, C, L> {
    /// Sets the codec. Default: [`DefaultCodec`].
    pub fn codec<C2: Codec>(self, codec: C2) -> Serve<M, C2, L> {
        let Self { make, attach, layers, options, .. } = self;
        Serve { make, codec, attach, layers, options }
    }

    /// Accepts only this transport. By default, the worker accepts any built-in transport that its
    /// host has chosen. A custom transport must be set here.
    pub fn transport<T: Transport>(mut self, transport: T) -> Self {
        self.attach = Box::new(|inherited| Box::pin(inherited.attach_by(transport)));
        self
    }

    /// Adds middleware around the handler. The first one added sees a request first and its reply
    /// last.
    pub fn layer<W: Middleware>(self, middleware: W) -> Serve<M, C, Stack<L, W>>
    where
        L: Layers,
    {
        let Self { make, codec, attach, layers, options } = self;
        let layers = Stack::new(layers, middleware);
        Serve { make, codec, attach, layers, options }
    }

    /// Sets the time within which the host must send its hello, which it normally sends at once.
    /// Zero means no limit. Default: 30 s.
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.options.connect_timeout = limit;
        self
    }

    /// Expects no handshake, for a host that has none, such as one in another language. See
    /// [`Builder::without_handshake`](crate::Builder::without_handshake) for the checks that this
    /// skips. Not needed for a worker that a Node.js host starts.
    pub fn without_handshake(mut self) -> Self {
        self.options.handshake = false;
        self
    }

    /// Ends the worker when a handler panics, for state that cannot be trusted after a panic.
    ///
    /// The error reply is sent, and serving ends with a `Panicked` error. A `main` that returns it
    /// exits with code 1. Other calls in flight fail as in a crash, and the host respawns the
    /// worker if its [`OnCrash`](crate::OnCrash) policy allows it. Default: the worker continues.
    pub fn exit_on_panic(mut self) -> Self {
        self.options.exit_on_panic = true;
        self
    }

    /// Sets if the worker answers those who ask [what it can do and what it is
    /// doing](crate::describe). Default: `true` with `debug_assertions`, as in a debug build,
    /// otherwise `false`.
    ///
    /// Everybody who may call the worker may ask: the question passes its layers like a call. The
    /// answer tells the names, documentation and types of all methods, and the text of the last
    /// error. Each call then locks a table of counters twice and reads the clock twice.
    pub fn describe(mut self, describes: bool) -> Self {
        self.options.describes = describes;
        self
    }

    /// Requires that the host serves this service, for handlers that call it with
    /// [`Context::host`](isolated_workers_middleware::Context::host). The handshake fails if the
    /// host serves another one or none. Default: none is required, and such a call fails.
    ///
    /// Pass `<trait>::SCHEMA` of the handler that the host passes to
    /// [`Builder::serve`](crate::Builder::serve). Without a handshake it is not compared.
    pub fn host_service(mut self, schema: Schema) -> Self {
        self.options.host_services.push(schema);
        self
    }

    /// Sets the limits for data from and to the host.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.options.limits = limits;
        self
    }

    /// Sets the time for which the worker looks for the next request before its thread sleeps.
    /// Default: [`Latency::Balanced`].
    pub fn latency(mut self, latency: Latency) -> Self {
        self.options.latency = latency;
        self
    }
}

impl<M, C, L> fmt::Debug for Serve<M, C, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serve").field("options", &self.options).finish_non_exhaustive()
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
    /// Returns a handle that stops the worker from within, and the future that serves. The future
    /// must be awaited. Dropping it closes the connection and drops calls in flight at once; a
    /// process ends half a second later.
    ///
    /// ```no_run
    /// # use isolated_workers_core::Error;
    /// # use isolated_workers_middleware::Handler;
    /// # use isolated_workers_runtime::serve;
    /// # async fn example(calculator: impl Handler, license_expired: impl Future<Output = ()>) -> Result<(), Error> {
    /// let (server, serving) = serve(calculator).start();
    /// let stop = async {
    ///     license_expired.await;
    ///     server.stop();
    /// };
    /// tokio::join!(serving, stop).0
    /// # }
    /// ```
    pub fn start(self) -> (Server, impl Future<Output = Result<(), Error>> + Send + use<M, C, L>) {
        let (server, stop) = Server::new();
        (server.clone(), self.run(server, StopSignal::new(stop)))
    }

    async fn run(self, server: Server, mut stop: StopSignal) -> Result<(), Error> {
        let Self { make, codec, attach, layers, mut options } = self;
        options.limits.check()?;
        options.latency.check()?;
        let services = services_of::<M::Handler>()?;
        let host_services = handshake::required(&options.host_services, "host")?;
        let inherited = Inherited::take()?;
        inherited.check_codec(C::ID)?;
        let cleanup = Arc::new(OnceLock::new());
        let is_process = inherited.is_process();
        if is_process {
            // Set first, so that a signal that arrives before this line finds nothing to clean up.
            stop.set_signal_listener(SignalListener::new(server, Arc::clone(&cleanup)));
            panic_location::install_hook();
        }
        options.handshake &= inherited.has_handshake();
        let transport = inherited.transport().to_owned();
        let Some(channel) = stop.unless(attach(inherited)).await else { return Ok(()) };
        let channel = channel?;
        let _cleanup = RemoveOnExit(channel.cleanup.clone());
        if let Some(own) = &channel.cleanup {
            cleanup.get_or_init(|| own.clone());
        }
        let cleanup = channel.cleanup.clone();
        let is_detached = Arc::default();
        let session =
            Session { codec, options, services, host_services, transport, cleanup, is_process, is_detached };
        // Boxed, because the future is large: moving it would touch fresh memory in two more
        // places.
        run_on_io_thread(Box::pin(session.run(make, layers, channel, stop))).await
    }
}

/// Awaits `future`. On a multi-thread runtime, spawns it as a task, which is polled by the thread
/// that reads from the socket. Otherwise each message would have to wake the thread that awaits
/// `main`.
async fn run_on_io_thread<F>(future: F) -> F::Output
where
    F: Future<Output: Send> + Send + 'static,
{
    if Handle::current().runtime_flavor() == RuntimeFlavor::CurrentThread {
        return future.await;
    }
    // A `JoinSet` of one task aborts the task when it is dropped.
    let mut task = JoinSet::new();
    task.spawn(future);
    match task.join_next().await.expect("a task was spawned") {
        Ok(output) => output,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is shutting down, which also ends the caller.
            Err(_) => std::future::pending().await,
        },
    }
}

/// Runs this endpoint's cleanup when dropped, even if a guard thread still shares it.
struct RemoveOnExit(Option<Cleanup>);

impl Drop for RemoveOnExit {
    fn drop(&mut self) {
        if let Some(cleanup) = &self.0 {
            cleanup.run();
        }
    }
}
