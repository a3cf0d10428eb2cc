//! Calls of offloaded functions, on both sides. `#[offload]` expands to these functions.

use std::time::Duration;

use isolated_workers_codec::DefaultCodec;
use isolated_workers_core::{Body, CallError, Message, Request, Schema, Sendable};
use isolated_workers_middleware::handler::{self, Answer};
use isolated_workers_middleware::{Service, client};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::function::FunctionCodec;
use super::functions::{FUNCTION_KEY, SERVICE};
use super::{Arguments, Offloaded, build_id, default_pool};
use crate::blocking::background;

/// Service that carries calls of offloaded functions.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot call offloaded functions",
    label = "needs to be a service with the default codec",
    note = "pass a `Worker` or a `Pool` that was built without `.codec(..)`"
)]
pub trait FunctionService: Service<Codec = DefaultCodec> {}

#[diagnostic::do_not_recommend]
impl<S: Service<Codec = DefaultCodec>> FunctionService for S {}

/// Message that calls a function. Its payload is the function's arguments.
struct FunctionCall<F: Offloaded<COUNT>, const COUNT: usize>(F::Arguments);

impl<F: Offloaded<COUNT>, const COUNT: usize> Serialize for FunctionCall<F, COUNT> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.encode(serializer)
    }
}

impl<'de, F: Offloaded<COUNT>, const COUNT: usize> Deserialize<'de> for FunctionCall<F, COUNT> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        F::Arguments::decode(deserializer).map(Self)
    }
}

impl<F: Offloaded<COUNT>, const COUNT: usize> Message for FunctionCall<F, COUNT> {
    const NAME: &'static str = F::NAME;
    type Reply = F::Reply;
    type Error = F::Error;
    const TIMEOUT: Option<Duration> = F::TIMEOUT;
    const RETRY: u32 = F::RETRY;
    const IDEMPOTENT: bool = F::IDEMPOTENT;
    const SERVICE: Option<&'static Schema> = Some(&SERVICE);

    fn into_sendable(self) -> Result<Sendable<Self>, Self> {
        let arguments = self.0.into_sendable();
        Ok(Box::new(|| Self(arguments())))
    }
}

/// Calls the function in a worker behind `service`. The arguments are encoded at once.
///
/// # Errors
/// The conversion of [`CallError::Service`] if the function returned an error, and of
/// [`CallError::Call`] for any other failure.
pub fn on<'a, F, const COUNT: usize, S, E>(
    service: &'a S,
    arguments: F::Arguments,
) -> impl Future<Output = Result<F::Reply, E>> + Send + use<'a, F, COUNT, S, E>
where
    F: Offloaded<COUNT>,
    S: FunctionService,
    E: From<CallError<F::Error>>,
{
    let mut request = Request::of::<FunctionCall<F, COUNT>>(Body::empty());
    request.metadata_mut().insert(FUNCTION_KEY, format!("{} {}", build_id::get(), F::PLACE));
    client::send_request(service, request, FunctionCall::<F, COUNT>(arguments))
}

/// Like [`on`], with a service that the future owns.
///
/// # Errors
/// The same as [`on`].
pub fn task<F, const COUNT: usize, S, E>(
    service: S,
    arguments: F::Arguments,
) -> impl Future<Output = Result<F::Reply, E>> + Send + use<F, COUNT, S, E>
where
    F: Offloaded<COUNT>,
    S: FunctionService,
    E: From<CallError<F::Error>>,
{
    let arguments = arguments.into_sendable();
    async move { on::<F, COUNT, S, E>(&service, arguments()).await }
}

/// Calls the function in a worker of the default pool.
///
/// # Errors
/// The same as [`on`], and those of [`pool`](super::pool).
pub fn run<F, const COUNT: usize, E>(
    arguments: F::Arguments,
) -> impl Future<Output = Result<F::Reply, E>> + Send + use<F, COUNT, E>
where
    F: Offloaded<COUNT>,
    E: From<CallError<F::Error>>,
{
    let arguments = arguments.into_sendable();
    async move {
        let pool = default_pool::pool().await.map_err(CallError::Call)?;
        on::<F, COUNT, _, E>(&pool, arguments()).await
    }
}

/// Like [`run`], and waits on this thread. The pool has a runtime of its own, so that this is no
/// deadlock on a thread of another runtime.
///
/// # Errors
/// The same as [`run`], and those of [`block_on`](crate::blocking::block_on).
pub fn blocking<F, const COUNT: usize, E>(arguments: F::Arguments) -> Result<F::Reply, E>
where
    F: Offloaded<COUNT>,
    E: From<CallError<F::Error>>,
{
    background::wait(format_args!("call `{}`", F::NAME), run::<F, COUNT, E>(arguments))
        .unwrap_or_else(|error| Err(CallError::Call(error).into()))
}

/// Answers a request with a function that awaits.
pub fn answer<'a, F, const COUNT: usize, Fut>(
    codec: &'a FunctionCodec,
    request: Request,
    run: impl FnOnce(F::Arguments) -> Fut,
) -> Answer<'a>
where
    F: Offloaded<COUNT>,
    Fut: Future<Output = Result<F::Reply, F::Error>> + Send + 'a,
{
    handler::respond(codec, request, |FunctionCall::<F, COUNT>(arguments)| run(arguments))
}

/// Answers a request with a function that blocks or computes, on a thread of its own.
pub fn answer_blocking<F: Offloaded<COUNT>, const COUNT: usize>(
    codec: &FunctionCodec,
    request: Request,
    run: impl FnOnce(F::Arguments) -> Result<F::Reply, F::Error> + Send + 'static,
) -> Answer<'_> {
    handler::respond_blocking(codec, request, |_, FunctionCall::<F, COUNT>(arguments)| run(arguments))
}
