use std::sync::Arc;

use isolated_workers_middleware::{Layered, Local, Middleware, Service};

/// Service that a blocking client can call: its tasks do not need the thread that waits.
///
/// Implemented for [`Worker`](super::Worker), [`Pool`](super::Pool), [`Local`] (whose handlers are
/// polled by the thread that waits), references and `Arc`s of them, and layers around them. A
/// [`Worker`](crate::Worker) of an async runtime is none: its runtime might wait for the very
/// thread that runs it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be called by a blocking client",
    label = "needs to be a blocking worker or pool",
    note = "start it with `blocking::Worker::spawn(builder)` or `blocking::Pool::spawn(builder)`"
)]
pub trait BlockingService: Service {}

impl<S: BlockingService> BlockingService for &S {}
impl<S: BlockingService> BlockingService for Arc<S> {}
impl<H, C> BlockingService for Local<H, C> where Local<H, C>: Service {}
impl<M: Middleware, S: BlockingService> BlockingService for Layered<M, S> {}
