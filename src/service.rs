//! Services and handlers.
//!
//! A [`Service`](crate::Service) handles calls: a worker, a pool, or [`Local`], which calls a
//! handler in this process. [`BoxService`] is a type-erased service. A [`Handler`] answers the
//! messages of one service. The macro [`service`](macro@crate::service) generates a client and a
//! handler from a trait. Arguments and replies are a [`Value`]. To write them by hand, use the
//! functions of [`client`] and [`handler`]. [`HostService`] is the service of a worker's host. A
//! [`Router`] answers the messages of several services.
//!
//! A handler takes the items of its caller as a [`Streaming`], and a caller gets those of its
//! callee as a [`StreamingReply`]. [`streaming`] makes streams to answer with.

pub use isolated_workers_core::{ReplyStream, RequestStream, Sendable, Value};
pub use isolated_workers_middleware::streaming::{Streaming, StreamingReply};
pub use isolated_workers_middleware::{
    BoxService, Context, Handler, HostService, Local, Router, client, handler, router, streaming,
};
