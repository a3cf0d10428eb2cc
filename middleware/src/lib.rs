//! What can be called, and what can be wrapped around a call.
//!
//! Everything that answers a request is a [`Service`]: the connection to a worker, a handler in this process, and any
//! of them with [`Middleware`] around it. A middleware is written once and works on both sides: on the host around
//! the sending of a request, on the worker around its handler.
//!
//! A [`Handler`] is what a worker serves, whatever the codec; with a codec it is a service, too ([`Local`]), so that
//! it can be called in this process through the same typed stub.

mod from_fn;
pub mod handler;
mod layers;
mod local;
mod middleware;
#[doc(hidden)]
pub mod panic_place;
mod service;
mod trace;

pub use from_fn::{FromFn, MiddlewareFn, Next, from_fn};
pub use handler::Handler;
pub use layers::{Layered, Layers, NoLayers, Stack};
pub use local::Local;
pub use middleware::Middleware;
pub use service::{Service, ServiceExt};
pub use trace::Trace;
