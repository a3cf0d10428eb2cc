//! The worker's side.

mod handlers;
mod pace;

use std::fmt;
use std::future::IntoFuture;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::BytesMut;
use isolated_workers_codec::{Codec, Json};
use isolated_workers_core::{Error, ErrorKind, Limits, Uuid};
use isolated_workers_middleware::{Handler, Layers, Local, Middleware, NoLayers, Stack};
use isolated_workers_transport::{Channel, Residue, Transport};

use self::handlers::Handlers;
use crate::handshake::{self, Failure};
use crate::inherited::{AnyChannel, Inherited};
use crate::link::{End, Link, Pump};
use crate::timeouts::elapsed;

/// How long a process has to end by itself once its host is gone.
const ORPHAN_GRACE: Duration = Duration::from_millis(500);

/// Answers the host that started this process with `handler`, until the host is done or gone.
///
/// Await what this returns, after choosing what differs from the defaults: the codec [`Json`], which must be the host's,
/// and no middleware. Transport and driver are those that the host has chosen.
///
/// It runs on the tokio runtime that it is awaited on; a current-thread runtime is the fastest unless handlers compute
/// side by side. When the host is gone and the process has not ended half a second later, it is ended with exit
/// code 1, whatever it does.
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
    let settings =
        Settings { limits: Limits::default(), connect_timeout: Duration::from_secs(30), handshake: true };
    let attach: Attach = Box::new(|inherited| Box::pin(inherited.attach()));
    Serve { handler, codec: Json, attach, layers: NoLayers, settings }
}

/// A worker about to serve; await it.
#[must_use = "nothing is served until this is awaited"]
pub struct Serve<H, C = Json, L = NoLayers> {
    handler: H,
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
}

/// How a worker gets its channel.
type Attach = Box<dyn FnOnce(Inherited) -> Attaching + Send>;
type Attaching = Pin<Box<dyn Future<Output = Result<AnyChannel, Error>> + Send>>;

impl<H, C, L> Serve<H, C, L> {
    /// Uses another codec than [`Json`].
    pub fn codec<C2: Codec>(self, codec: C2) -> Serve<H, C2, L> {
        let Self { handler, attach, layers, settings, .. } = self;
        Serve { handler, codec, attach, layers, settings }
    }

    /// Takes this transport and no other. Without it, the worker takes whichever of the box its host has chosen; a
    /// transport of your own must be named.
    pub fn transport<T: Transport>(mut self, transport: T) -> Self {
        self.attach = Box::new(|inherited| Box::pin(inherited.attach_by(transport)));
        self
    }

    /// Adds a middleware around the handler. The first one added sees a request first and its reply last.
    pub fn layer<M: Middleware>(self, middleware: M) -> Serve<H, C, Stack<L, M>>
    where
        L: Layers,
    {
        let Self { handler, codec, attach, layers, settings } = self;
        let layers = Stack::new(layers, middleware);
        Serve { handler, codec, attach, layers, settings }
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

    /// Sets what is accepted from the host and sent to it.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.settings.limits = limits;
        self
    }
}

impl<H, C, L> fmt::Debug for Serve<H, C, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serve").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl<H: Handler, C: Codec, L: Layers> IntoFuture for Serve<H, C, L> {
    type Output = Result<(), Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

impl<H: Handler, C: Codec, L: Layers> Serve<H, C, L> {
    async fn run(self) -> Result<(), Error> {
        self.settings.limits.check()?;
        let inherited = Inherited::take()?;
        inherited.check_codec(C::NAME)?;
        let terminated = inherited.terminated();
        tokio::select! {
            // First, so that there is nothing to clean up yet when a signal comes that is not listened for.
            biased;
            () = terminated => Ok(()),
            served = self.serve(inherited) => served,
        }
    }

    async fn serve(self, inherited: Inherited) -> Result<(), Error> {
        let Self { handler, codec, attach, layers, settings } = self;
        let Settings { limits, connect_timeout, handshake } = settings;
        let handshake = handshake && inherited.has_handshake();
        let transport = inherited.transport().to_owned();
        let Channel { reader, writer, mut hangup, mut incoming, residue, .. } = attach(inherited).await?;
        let mut stream = (reader, writer);
        let _cleanup = Cleanup(residue.clone());
        let service = Arc::new(layers.wrap(Local::new(handler, codec.clone())));
        let mut token = None;
        let mut stay = None;
        // One turn a connection. The first one that fails ends the worker; of the others, the next one may be better.
        loop {
            // Owns the stream, so that whoever is refused sees its end at once.
            let (mut reader, mut writer) = stream;
            let token = &mut token;
            let transport = &transport;
            let greeting = async move {
                let (buffer, peer) = if handshake {
                    let answer =
                        handshake::answer::<C>(&mut reader, &mut writer, transport, H::SCHEMA, token);
                    let (buffer, peer) = answer.await?;
                    (buffer, Some(peer))
                } else {
                    (BytesMut::new(), None)
                };
                Ok((reader, writer, buffer, peer))
            };
            let greeted = tokio::select! {
                greeted = greeting => greeted,
                () = elapsed(connect_timeout) => Err(Failure::Refused(silent(connect_timeout))),
            };
            match greeted {
                Ok((reader, writer, buffer, peer)) => {
                    let watch = Watch::new(hangup, residue.clone());
                    let link = Link::new(codec.clone(), limits, Box::new(Uuid), Duration::ZERO, writer);
                    let handlers = Handlers::new(Arc::clone(&service), peer);
                    let mut pump = Pump::new(link, limits, reader, buffer, handlers);
                    match (&mut pump).await {
                        End::Farewell { stay: wanted @ Some(_) } => {
                            stay = wanted;
                            // Before the stream is dropped, from which the host knows that it may go.
                            watch.dismiss();
                        }
                        End::Eof | End::Farewell { stay: None } | End::Overran => return Ok(()),
                        End::Broken(error) => return Err(host_gone(error)),
                        End::Violated(error) => return Err(error),
                    }
                }
                Err(failure) => {
                    let error = match failure {
                        Failure::Refused(error) => error,
                        Failure::Gone(error) => host_gone(error),
                    };
                    if stay.is_none() {
                        return Err(error);
                    }
                    tracing::warn!("a connection was refused: {error:#}");
                }
            }
            let (Some(limit), Some(incoming)) = (stay, &mut incoming) else { return Ok(()) };
            let next = tokio::select! {
                next = incoming.accept() => next.map_err(host_gone)?,
                () = tokio::time::sleep(limit) => return Ok(()),
            };
            stream = (next.reader, next.writer);
            hangup = next.hangup;
        }
    }
}

/// Removes what this end has outside of its process, also where a thread that watches still has a part in it.
struct Cleanup(Option<Residue>);

impl Drop for Cleanup {
    fn drop(&mut self) {
        if let Some(residue) = &self.0 {
            residue.remove();
        }
    }
}

/// Ends this process when a host that was not dismissed is gone. A thread does it, because a handler may keep the
/// runtime busy for ever.
struct Watch(Arc<AtomicBool>);

impl Watch {
    /// Watches the host until `hangup` returns. `None`: the transport cannot tell, or the host is this process.
    fn new(hangup: Option<Box<dyn FnOnce() + Send>>, residue: Option<Residue>) -> Self {
        let dismissed = Arc::new(AtomicBool::new(false));
        let Some(hangup) = hangup else { return Self(dismissed) };
        let is_dismissed = Arc::clone(&dismissed);
        let watch = move || {
            hangup();
            std::thread::sleep(ORPHAN_GRACE);
            if is_dismissed.load(Ordering::Acquire) {
                return;
            }
            if let Some(residue) = residue {
                residue.remove();
            }
            std::process::exit(1);
        };
        let thread = std::thread::Builder::new().name("host-watch".into()).stack_size(64 << 10);
        if let Err(error) = thread.spawn(watch) {
            tracing::warn!(%error, "no thread to watch the host with: a busy worker would outlive it");
        }
        Self(dismissed)
    }

    /// The host may go.
    fn dismiss(self) {
        self.0.store(true, Ordering::Release);
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
