//! Services and handlers.
//!
//! A [`Service`](crate::Service) handles calls: a worker, a pool, or [`Local`], which calls a
//! handler in this process. [`BoxService`] is a type-erased service. A [`Handler`] answers the
//! messages of one service. The macro [`service`](macro@crate::service) generates a client and a
//! handler from a trait. Arguments and replies are a [`Value`]. To write them by hand, use the
//! functions of [`client`] and [`handler`]. [`HostService`] is the service of a worker's host. A [`Router`]
//! answers the messages of several services.

pub use isolated_workers_core::Value;
pub use isolated_workers_middleware::{
    BoxService, Context, Handler, HostService, Local, Router, client, handler, router,
};
