//! The worker's side: serves the host's calls.

#[cfg(feature = "events")]
mod event_layer;
mod event_thread;
mod exit;
mod make_handler;
mod orphan_guard;
mod own_process;
#[cfg_attr(unix, path = "worker/parent/unix.rs")]
#[cfg_attr(not(unix), path = "worker/parent/other.rs")]
mod parent;
mod pending_handshakes;
#[cfg_attr(unix, path = "worker/process_group/unix.rs")]
#[cfg_attr(not(unix), path = "worker/process_group/other.rs")]
mod process_group;
mod serve;
mod server;
mod session;
mod signal_listener;
mod stop_signal;
mod thread;

use isolated_workers_core::{BoxError, Error, ErrorKind};
use isolated_workers_middleware::Handler;
use serde::de::DeserializeOwned;

#[cfg(feature = "events")]
pub use self::event_layer::{EventLayer, init_tracing};
pub use self::make_handler::{FromStartupData, MakeHandler};
pub(crate) use self::own_process::serve_and_exit;
pub use self::serve::Serve;
use self::serve::ServeOptions;
pub use self::server::Server;

/// Serves the host that started this process with `handler`, until the host closes the connection
/// or is gone.
///
/// To serve several services, pass a [`Router`](isolated_workers_middleware::Router).
///
/// Configure the returned builder if needed, then await it. Defaults: the codec
/// [`DefaultCodec`](isolated_workers_codec::DefaultCodec), no middleware,
/// [`Limits::default`](isolated_workers_core::Limits). The codec must be the host's. The host
/// chooses transport and driver.
///
/// It runs on the tokio runtime that awaits it. A current-thread runtime is the fastest, unless
/// handlers compute in parallel. If the host is gone and the process has not ended 500 ms later,
/// the process exits with code 1. Exit handlers that block delay that by another 500 ms.
///
/// If the worker is a process, SIGTERM and SIGINT (on Windows Ctrl-C and Ctrl-Break) drain it, as
/// [`Server::stop`] does. A second signal ends the process at once, with the exit code of that
/// signal (143, 130).
///
/// If a handler panics, its call fails and the worker continues. The error contains the panic's
/// message and location.
///
/// # Errors
/// - `Config` if a limit is invalid, or if the services of a router cannot be served together.
/// - `Startup` if no host started this process, or if the system refuses the threads that watch the
///   host and signals.
/// - `Handshake` if host and worker do not match.
/// - `Protocol` if the host sent an invalid frame.
/// - `Crashed` if the connection broke.
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

/// Like [`serve`], with a handler that `make` creates from the host's startup data:
/// [`Builder::startup_data`](crate::Builder::startup_data). The host's `spawn` returns when the
/// handler exists.
///
/// The codec of the connection decodes the data, within [`Serve::limits`]. If there is no data, if
/// it is not a `T`, or if `make` fails, both sides get a `Startup` error with the reason.
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

fn host_gone(error: std::io::Error) -> Error {
    Error::with_source(ErrorKind::Crashed, "the connection to the host broke", error)
}

/// Runs `main` on a current-thread runtime. `#[isolated_workers::main]` and
/// `#[isolated_workers::test]` use it.
#[doc(hidden)]
pub fn run_worker<F: Future>(main: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a worker can create a tokio runtime");
    let output = runtime.block_on(main);
    // Blocking handlers may still run. Do not wait for them.
    runtime.shutdown_background();
    output
}
