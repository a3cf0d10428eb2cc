//! Layers of tower around a service, and a service below layers of tower.

use std::future::{Ready, ready};
use std::time::Duration;

use futures_util::poll;
use isolated_workers_core::{BoxError, Error, ErrorKind, Request, Response};
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
async fn a_timeout_ends_what_is_below() {
    let layer = tower_layer(TimeoutLayer::new(Duration::from_secs(1))).kinds(|error| {
        if error.is::<tower::timeout::error::Elapsed>() { ErrorKind::Timeout } else { ErrorKind::Middleware }
    });
    let service = local().wrapped_by(layer);
    assert_eq!(service.send(&ADD).await.unwrap(), 2);
    let error = service.send(&Hang).await.map_err(Error::from).unwrap_err();
    assert_eq!((error.kind(), error.middleware()), (ErrorKind::Timeout, Some("TowerLayer")));
}

#[tokio::test]
async fn an_error_from_below_passes_as_it_is() {
    let service = local().wrapped_by(tower_layer(ConcurrencyLimitLayer::new(1)));
    let error = service.send(&Panic).await.map_err(Error::from).unwrap_err();
    assert_eq!((error.kind(), error.middleware()), (ErrorKind::Panicked, None));
}

#[tokio::test]
async fn permits_are_kept_between_calls() {
    let service = local().wrapped_by(tower_layer(ConcurrencyLimitLayer::new(1)));
    let mut first = Box::pin(service.send(&Hang));
    let mut second = Box::pin(service.send(&ADD));
    assert!(poll!(&mut first).is_pending());
    assert!(poll!(&mut second).is_pending());
    drop(first);
    assert_eq!(second.await.unwrap(), 2);
}

#[tokio::test]
async fn load_is_shed() {
    let shed = ServiceBuilder::new().layer(LoadShedLayer::new()).layer(ConcurrencyLimitLayer::new(1));
    let service = local().wrapped_by(tower_layer(shed).kinds(|_| ErrorKind::Overloaded));
    let mut first = Box::pin(service.send(&Hang));
    assert!(poll!(&mut first).is_pending());
    let error = service.send(&ADD).await.map_err(Error::from).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Overloaded);
    drop(first);
    assert_eq!(service.send(&ADD).await.unwrap(), 2);
}

/// So many more attempts, each with its number.
#[derive(Clone)]
struct Again(u32);

impl<E> Policy<TowerRequest, Response, E> for Again {
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
        .wrapped_by(tower_layer(RetryLayer::new(Again(5))));
    service.send(&Flaky { good: 3, executed: None }).await.unwrap();
    assert_eq!([seen.recv().await, seen.recv().await, seen.recv().await], [Some(1), Some(2), Some(3)]);
    assert!(seen.try_recv().is_err());
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_a_layer_gives_up_is_dropped() {
    let layer = ServiceBuilder::new()
        .layer(RetryLayer::new(Again(2)))
        .layer(TimeoutLayer::new(Duration::from_secs(1)));
    // With one place below, the second attempt can only go when the first is gone.
    let service = local()
        .wrapped_by(isolated_workers_middleware::ConcurrencyLimit::new(1))
        .wrapped_by(tower_layer(layer))
        .wrapped_by(Timeout::new(Duration::from_secs(60)));
    let error = service.send(&Hang).await.map_err(Error::from).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Middleware, "{error}");
}

/// A buffer makes what is not `Clone` a layer that can be taken.
fn buffered() -> impl Middleware {
    let layer = ServiceBuilder::new()
        .layer(BufferLayer::<TowerRequest>::new(4))
        .layer(RateLimitLayer::new(2, Duration::from_secs(1)));
    tower_layer(layer)
}

#[tokio::test(start_paused = true)]
async fn a_buffer_runs_its_part_elsewhere() {
    let start = tokio::time::Instant::now();
    let service = local().wrapped_by(buffered());
    for _ in 0..4 {
        assert_eq!(service.send(&ADD).await.unwrap(), 2);
    }
    assert_eq!(start.elapsed().as_secs(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_service_can_be_put_below_tower() {
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
