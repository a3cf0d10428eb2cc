//! What can be called, and what can be wrapped around a call.
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

mod auth;
mod boxed;
pub mod client;
mod concurrency_limit;
mod context;
mod deadline;
mod erased;
mod for_message;
mod from_fn;
mod guard;
pub mod handler;
mod hooks;
mod layers;
mod load_shed;
mod local;
#[cfg(feature = "metrics")]
mod metrics;
mod middleware;
mod naming;
mod next;
#[doc(hidden)]
pub mod panic_place;
mod random;
mod rate_limit;
mod retry;
mod scratch;
mod service;
mod set_metadata;
mod timeout;
#[cfg(feature = "tower")]
mod tower;
mod trace;
mod validate;

pub use auth::Auth;
pub use boxed::{BoxMiddleware, BoxService};
pub use concurrency_limit::ConcurrencyLimit;
pub use context::Context;
pub use deadline::Deadline;
pub use for_message::{ForMessage, Hook, NoHook, for_message};
pub use from_fn::{FromFn, MiddlewareFn, from_fn};
pub use handler::Handler;
pub use hooks::{
    OnRequest, OnRequestAsync, OnResponse, OnResponseAsync, on_request, on_request_async, on_response,
    on_response_async,
};
pub use layers::{Layered, Layers, NoLayers, Stack};
pub use load_shed::LoadShed;
pub use local::Local;
#[cfg(feature = "metrics")]
pub use metrics::Metrics;
pub use middleware::Middleware;
pub use next::Next;
pub use rate_limit::RateLimit;
pub use retry::Retry;
pub use service::{Service, ServiceExt};
pub use set_metadata::SetMetadata;
pub use timeout::Timeout;
#[cfg(feature = "tower")]
pub use tower::{Bottom, TowerLayer, TowerRequest, TowerService, tower_layer};
pub use trace::{Propagator, Trace, TraceContext, TraceWith};
pub use validate::Validate;
