//! Middleware: layers around a call, on the host or on the worker.
//!
//! Add layers with [`Builder::layer`](crate::host::Builder::layer) on the host and
//! [`Serve::layer`](crate::worker::Serve::layer) on the worker. The first layer added sees a
//! request first.
//!
//! | To | use |
//! |---|---|
//! | limit the load | [`ConcurrencyLimit`], [`RateLimit`], [`LoadShed`] |
//! | limit the time | [`Timeout`], [`Deadline`] |
//! | retry | [`Retry`] |
//! | observe | [`Trace`], [`on_request`], [`on_response`], `Metrics` (feature `metrics`) |
//! | check and change requests | [`Auth`], [`Validate`], [`SetMetadata`] |
//! | use layers of `tower` | `tower_layer`, `TowerService` (feature `tower`) |
//!
//! To write a layer, pass an async function to [`from_fn`], or implement [`Middleware`].
//! [`for_message`] makes a layer that handles one message, with its decoded arguments.

#[cfg(feature = "metrics")]
pub use isolated_workers_middleware::Metrics;
pub use isolated_workers_middleware::{
    Auth, BoxMiddleware, ConcurrencyLimit, Deadline, ForMessage, FromFn, Hook, Layered, Layers, LoadShed,
    Middleware, MiddlewareFn, Next, NoHook, NoLayers, OnRequest, OnRequestAsync, OnResponse, OnResponseAsync,
    Propagator, RateLimit, Retry, SetMetadata, Stack, Timeout, Trace, TraceContext, TraceWith, Validate,
    for_message, from_fn, on_request, on_request_async, on_response, on_response_async,
};
#[cfg(feature = "tower")]
pub use isolated_workers_middleware::{TowerInner, TowerLayer, TowerRequest, TowerService, tower_layer};
