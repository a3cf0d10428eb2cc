//! Services, and the middleware around them.
//!
//! Everything that answers a request is a [`Service`]: the connection to a worker, a handler in this process, and any
//! of them with [`Middleware`] around it. A middleware is written once and works on both sides: on the host around
//! the sending of a request, on the worker around its handler.
//!
//! A [`Handler`] is what a worker serves, whatever the codec; with a codec it is a service, too ([`Local`]), so that
//! it can be called in this process through the same typed stub.
//!
//! # In the box
//!
//! | to | layer |
//! |---|---|
//! | see | [`Trace`], `Metrics` (feature `metrics`) |
//! | limit time | [`Timeout`], [`Deadline`] |
//! | limit load | [`ConcurrencyLimit`], [`RateLimit`], [`LoadShed`] |
//! | try again | [`Retry`] |
//! | check and mark | [`Auth`], [`Validate`], [`SetMetadata`] |
//! | write your own | [`Middleware`], [`from_fn`], [`on_request`], [`on_response`], [`for_message`] |
//! | bring | `tower_layer` (feature `tower`) |
//! | choose at run time | `Option`, [`BoxMiddleware`], [`BoxService`] |
//!
//! The first layer that is added sees a request first and its reply last. On the host, what joins calls to the rest of the
//! program goes outside ([`Trace`]), then what decides whether a call is made ([`LoadShed`], [`RateLimit`]), then [`Retry`],
//! and inside of it what concerns each attempt ([`Timeout`], [`Auth`]).

pub mod layer;
pub mod service;
mod support;

#[cfg(feature = "metrics")]
pub use self::layer::Metrics;
pub use self::layer::{
    Auth, BoxMiddleware, ConcurrencyLimit, Deadline, ForMessage, FromFn, Hook, Layered, Layers, LoadShed,
    Middleware, MiddlewareFn, Next, NoHook, NoLayers, OnRequest, OnRequestAsync, OnResponse, OnResponseAsync,
    Propagator, RateLimit, Retry, SetMetadata, Stack, Timeout, Trace, TraceContext, TraceWith, Validate,
    for_message, from_fn, on_request, on_request_async, on_response, on_response_async,
};
#[cfg(feature = "tower")]
pub use self::layer::{TowerInner, TowerLayer, TowerRequest, TowerService, tower_layer};
pub use self::service::{BoxService, Context, Handler, Local, Service, ServiceExt, client, handler};
#[doc(hidden)]
pub use self::support::panic_location;
