//! Layers of tower as middleware, and services as tower services.

use std::future::{Ready, ready};
use std::time::Duration;

use futures_util::poll;
use isolated_workers_core::{BoxError, Error, ErrorKind, Executed, Request, Response};
use isolated_workers_middleware::{
    Middleware, ServiceExt, Timeout, TowerRequest, TowerService, on_request, tower_layer,
};
use tower::buffer::BufferLayer;
use tower::limit::{ConcurrencyLimitLayer, RateLimitLayer};
use tower::load_shed::LoadShedLayer;
use tower::retry::{Policy, RetryLayer};
use tower::timeout::TimeoutLayer;
use tower::{ServiceBuilder, ServiceExt as _};

use crate::{Add, Flaky, Hang, Panic, local};

const ADD: Add = Add { a: 1, b: 1 };

#[tokio::test(start_paused = true)]
async fn a_timeout_layer_ends_a_call() {
    let layer = tower_layer(TimeoutLayer::new(Duration::from_secs(1))).kinds(|error| {
        if error.is::<tower::timeout::error::Elapsed>() { ErrorKind::Timeout } else { ErrorKind::Middleware }
    });
    let service = local().wrapped_by(layer);
    assert_eq!(service.send(ADD).await.unwrap(), 2);
    let error = service.send(Hang).await.map_err(Error::from).unwrap_err();
    assert_eq!((error.kind(), error.middleware()), (ErrorKind::Timeout, Some("TowerLayer")));
}

#[tokio::test(start_paused = true)]
async fn a_layer_that_ends_a_call_may_have_let_it_run_whatever_the_kind() {
    let timeout = tower_layer(TimeoutLayer::new(Duration::from_secs(1))).kinds(|_| ErrorKind::Overloaded);
    let error = local().wrapped_by(timeout).send(Hang).await.map_err(Error::from).unwrap_err();
    assert_eq!((error.kind(), error.executed()), (ErrorKind::Overloaded, Executed::Maybe));
    let refuse = on_request(|_: &mut Request| Err(Error::new(ErrorKind::Denied, "no")));
    let layer = tower_layer(ConcurrencyLimitLayer::new(1)).kinds(|_| ErrorKind::Middleware);
    let service = local().wrapped_by(refuse).wrapped_by(layer);
    let error = service.send(ADD).await.map_err(Error::from).unwrap_err();
    assert_eq!((error.kind(), error.executed()), (ErrorKind::Denied, Executed::No));
}

#[tokio::test]
async fn an_error_of_the_inner_service_passes_through_unchanged() {
    let service = local().wrapped_by(tower_layer(ConcurrencyLimitLayer::new(1)));
    let error = service.send(Panic).await.map_err(Error::from).unwrap_err();
    assert_eq!((error.kind(), error.middleware()), (ErrorKind::Panicked, None));
}

#[tokio::test]
async fn permits_are_kept_between_calls() {
    let service = local().wrapped_by(tower_layer(ConcurrencyLimitLayer::new(1)));
    let mut first = Box::pin(service.send(Hang));
    let mut second = Box::pin(service.send(ADD));
    assert!(poll!(&mut first).is_pending());
    assert!(poll!(&mut second).is_pending());
    drop(first);
    assert_eq!(second.await.unwrap(), 2);
}

#[tokio::test]
async fn a_load_shed_layer_refuses_calls() {
    let shed = ServiceBuilder::new().layer(LoadShedLayer::new()).layer(ConcurrencyLimitLayer::new(1));
    let service = local().wrapped_by(tower_layer(shed).kinds(|_| ErrorKind::Overloaded));
    let mut first = Box::pin(service.send(Hang));
    assert!(poll!(&mut first).is_pending());
    let error = service.send(ADD).await.map_err(Error::from).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Overloaded);
    drop(first);
    assert_eq!(service.send(ADD).await.unwrap(), 2);
}

/// Allows this many retries, and numbers the attempts.
#[derive(Clone)]
struct RetryTimes(u32);

impl<E> Policy<TowerRequest, Response, E> for RetryTimes {
    type Future = Ready<()>;

    fn retry(&mut self, request: &mut TowerRequest, result: &mut Result<Response, E>) -> Option<Ready<()>> {
        self.0 = self.0.checked_sub(1)?;
        let attempt = request.attempt();
        request.set_attempt(attempt + 1);
        result.is_err().then(|| ready(()))
    }

    fn clone_request(&mut self, request: &TowerRequest) -> Option<TowerRequest> {
        Some(request.clone())
    }
}

#[tokio::test]
async fn each_attempt_passes_the_layers_below() {
    let (sender, mut seen) = tokio::sync::mpsc::unbounded_channel();
    let service = local()
        .wrapped_by(on_request(move |request: &mut Request| {
            sender.send(request.attempt()).unwrap();
            Ok(())
        }))
        .wrapped_by(tower_layer(RetryLayer::new(RetryTimes(5))));
    service.send(Flaky { good: 3, executed: None }).await.unwrap();
    assert_eq!([seen.recv().await, seen.recv().await, seen.recv().await], [Some(1), Some(2), Some(3)]);
    assert!(seen.try_recv().is_err());
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_a_layer_drops_is_cancelled() {
    let layer = ServiceBuilder::new()
        .layer(RetryLayer::new(RetryTimes(2)))
        .layer(TimeoutLayer::new(Duration::from_secs(1)));
    // With one permit below, the second attempt can only start after the first was dropped.
    let service = local()
        .wrapped_by(isolated_workers_middleware::ConcurrencyLimit::new(1))
        .wrapped_by(tower_layer(layer))
        .wrapped_by(Timeout::new(Duration::from_secs(60)));
    let error = service.send(Hang).await.map_err(Error::from).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Middleware, "{error}");
}

/// Makes a middleware of a layer whose service is not `Clone`, with a buffer.
fn buffered() -> impl Middleware {
    let layer = ServiceBuilder::new()
        .layer(BufferLayer::<TowerRequest>::new(4))
        .layer(RateLimitLayer::new(2, Duration::from_secs(1)));
    tower_layer(layer)
}

#[tokio::test(start_paused = true)]
async fn a_buffer_layer_runs_its_service_in_another_task() {
    let start = tokio::time::Instant::now();
    let service = local().wrapped_by(buffered());
    for _ in 0..4 {
        assert_eq!(service.send(ADD).await.unwrap(), 2);
    }
    assert_eq!(start.elapsed().as_secs(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_service_can_be_used_as_a_tower_service() {
    let request = || Request::of::<Add>(br#"{"a":1,"b":1}"#.to_vec().into());
    let service = ServiceBuilder::new()
        .layer(BufferLayer::new(4))
        .concurrency_limit(2)
        .timeout(Duration::from_secs(1))
        .service(TowerService::new(local()));
    let response = service.clone().oneshot(request()).await.unwrap();
    assert_eq!(response.body().as_bytes(), b"2");
    let hang = Request::of::<Hang>(b"null".to_vec().into());
    let error: BoxError = service.oneshot(hang).await.unwrap_err();
    assert!(error.is::<tower::timeout::error::Elapsed>(), "{error}");
}
