//! Services and middleware.
//!
//! Everything that answers requests is a [`Service`]: the connection to a worker, a handler in this
//! process, or either of them wrapped in [`Middleware`]. A middleware is written once and works on
//! both sides. On the host it wraps the sending of a request. On the worker it wraps the handler.
//!
//! A worker serves a [`Handler`], which does not depend on the codec. [`Local`] makes a service of
//! a handler and a codec, so that the same typed client can call it in this process.
//!
//! # Built-in layers
//!
//! | purpose | layer |
//! |---|---|
//! | observe | [`Trace`], `Metrics` (feature `metrics`) |
//! | limit time | [`Timeout`], [`Deadline`] |
//! | limit load | [`ConcurrencyLimit`], [`RateLimit`], [`LoadShed`] |
//! | retry | [`Retry`] |
//! | check and annotate | [`Auth`], [`Validate`], [`SetMetadata`] |
//! | write your own | [`Middleware`], [`from_fn`], [`on_request`], [`on_response`], [`for_message`] |
//! | use a layer of `tower` | `tower_layer` (feature `tower`) |
//! | choose at run time | `Option`, [`BoxMiddleware`], [`BoxService`] |
//!
//! [`Timeout`], [`Deadline`], [`RateLimit`] and [`Retry`] need a tokio runtime with its timer
//! enabled.
//!
//! # Order
//!
//! On a builder, the first layer added sees a request first and its reply last. A good order on the
//! host, from the outside in:
//!
//! 1. [`Trace`], which connects calls to the rest of the program
//! 2. [`LoadShed`] and [`RateLimit`], which decide whether a call is made
//! 3. [`Retry`]
//! 4. [`Timeout`] and [`Auth`], which apply to each attempt

pub mod layer;
pub mod service;
mod support;

#[cfg(feature = "metrics")]
pub use self::layer::Metrics;
#[doc(hidden)]
pub use self::layer::open_spans;
pub use self::layer::{
    Auth, BoxMiddleware, ConcurrencyLimit, Deadline, ForMessage, FromFn, Hook, Layered, Layers, LoadShed,
    Middleware, MiddlewareFn, Next, NoHook, NoLayers, OnRequest, OnRequestAsync, OnResponse, OnResponseAsync,
    Propagator, RateLimit, Retry, SetMetadata, Stack, Timeout, Trace, TraceContext, TraceWith, Validate,
    for_message, from_fn, on_request, on_request_async, on_response, on_response_async,
};
#[cfg(feature = "tower")]
pub use self::layer::{TowerInner, TowerLayer, TowerRequest, TowerService, tower_layer};
pub use self::service::{
    BoxService, Context, Handler, HostService, Local, Router, Service, ServiceExt, client, handler, router,
    streaming,
};
#[doc(hidden)]
pub use self::service::{LimitedCodec, Served, arguments, call_chain};
#[doc(hidden)]
pub use self::support::guarded_items::guard_items;
#[doc(hidden)]
pub use self::support::{left_threads, panic_location};
