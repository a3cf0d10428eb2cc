use std::any::type_name;
use std::fmt;
use std::marker::PhantomData;

use isolated_workers_codec::{Codec, decode_within};
use isolated_workers_core::{BoxError, Budget, Error, ErrorKind};
use isolated_workers_middleware::Handler;
use serde::de::DeserializeOwned;

/// Source of a worker's handler: the handler itself, or [`FromStartupData`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be served",
    note = "pass `value.into_service()` to `serve`, or to `serve_with` an async function of the startup data that returns `Ok` of it"
)]
pub trait MakeHandler: Send + 'static {
    /// Handler that serves the calls.
    type Handler: Handler;

    /// Makes the handler. `startup` is the host's startup data, if it sent any with
    /// [`Builder::startup_data`](crate::Builder::startup_data). It is decoded within `budget`.
    ///
    /// # Errors
    /// Returns the reason why the worker cannot start. The host receives it too.
    fn make<C: Codec>(
        self,
        codec: &C,
        startup: Option<&[u8]>,
        budget: Budget,
    ) -> impl Future<Output = Result<Self::Handler, Error>> + Send;
}

#[diagnostic::do_not_recommend]
impl<H: Handler> MakeHandler for H {
    type Handler = H;

    async fn make<C: Codec>(self, _: &C, _: Option<&[u8]>, _: Budget) -> Result<H, Error> {
        Ok(self)
    }
}

/// Makes a handler from the host's startup data of type `T`: see [`serve_with`](crate::serve_with).
pub struct FromStartupData<T, F> {
    make: F,
    data: PhantomData<fn() -> T>,
}

impl<T, F> FromStartupData<T, F> {
    pub(super) fn new(make: F) -> Self {
        Self { make, data: PhantomData }
    }
}

impl<T, F> fmt::Debug for FromStartupData<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FromStartupData").field("data", &type_name::<T>()).finish_non_exhaustive()
    }
}

impl<T, F, Fut, H, E> MakeHandler for FromStartupData<T, F>
where
    T: DeserializeOwned + Send + 'static,
    F: FnOnce(T) -> Fut + Send + 'static,
    Fut: Future<Output = Result<H, E>> + Send,
    H: Handler,
    E: Into<BoxError>,
{
    type Handler = H;

    async fn make<C: Codec>(self, codec: &C, startup: Option<&[u8]>, budget: Budget) -> Result<H, Error> {
        let data = type_name::<T>();
        let startup = startup.ok_or_else(|| {
            let remedy = "pass it to `Worker::builder(..).startup_data(..)`";
            let text = format!("the worker needs startup data, a {data}, and its host sent none; {remedy}");
            Error::new(ErrorKind::Startup, text)
        })?;
        let decoded = decode_within(codec, startup, budget).map_err(|error| {
            let remedy = if error.can_raise_limit() {
                ", the worker: `serve(..).limits(..)`"
            } else if error.has_advice() {
                ""
            } else {
                "; build host and worker from the same definition of it, and check it with `testing::RoundTrip`"
            };
            let text = format!(
                "could not decode the {} bytes of startup data as {data} from {}: {error}{remedy}",
                startup.len(),
                C::ID
            );
            Error::new(ErrorKind::Startup, text)
        })?;
        (self.make)(decoded)
            .await
            .map_err(|error| Error::with_source(ErrorKind::Startup, "could not create the service", error))
    }
}
