//! Services and handlers.
//!
//! A [`Service`](crate::Service) is anything that can be called: a worker, a pool, or [`Local`], which calls a handler
//! in this process. [`BoxService`] is a service of any type. A [`Handler`] answers the messages of one service; the
//! macro [`service`](macro@crate::service) writes it from a trait. The functions of [`handler`] and [`client`] are the
//! parts to write a handler and a client by hand.

pub use isolated_workers_middleware::{BoxService, Context, Handler, Local, client, handler};
