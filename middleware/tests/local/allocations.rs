//! Allocations of layers.

use std::hint::black_box;

use futures_util::FutureExt;
use isolated_workers_codec::Postcard;
use isolated_workers_core::{Error, Request, Response};
use isolated_workers_middleware::{Local, Middleware, Next, Service, ServiceExt, from_fn};

use crate::{Add, Calculator};

/// Forwards everything.
struct Empty;

impl Middleware for Empty {
    async fn handle<S: Service>(&self, request: Request, next: &S) -> Result<Response, Error> {
        next.call(request).await
    }
}

/// Returns the number of allocations of a thousand calls.
fn allocations(service: &impl Service) -> u64 {
    // Without a runtime, because some runtimes box futures that are large in a debug build.
    let call = |a| assert_eq!(service.send(Add { a, b: 1 }).now_or_never().unwrap().unwrap(), a + 1);
    // Warm up, so that one-time allocations are not counted.
    (0..10).for_each(call);
    allocation_counter::measure(|| (0..1000).for_each(|a| call(black_box(a)))).count_total
}

#[test]
fn an_empty_layer_allocates_nothing() {
    let local = || Local::new(Calculator::default(), Postcard);
    let without = allocations(&local());
    assert_eq!(allocations(&local().wrapped_by(Empty)), without);
    assert_eq!(
        allocations(&local().wrapped_by(Empty).wrapped_by(Empty).wrapped_by(Empty).wrapped_by(Empty)),
        without
    );
    let boxed = from_fn(async |request: Request, next: Next<'_>| next.call(request).await);
    assert!(allocations(&local().wrapped_by(boxed)) > without, "the counter misses the box of `from_fn`");
}
