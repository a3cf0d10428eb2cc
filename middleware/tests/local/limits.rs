//! Layers that limit time and load, on virtual time.

use std::time::Duration;

use futures_util::poll;
use isolated_workers_core::{Error, ErrorKind, Executed, Request, Response};
use isolated_workers_middleware::{
    ConcurrencyLimit, Deadline, LoadShed, Next, RateLimit, Service, ServiceExt, Timeout, from_fn, on_request,
};
use tokio::time::Instant;

use crate::{Add, Hang, local};

const ADD: Add = Add { a: 1, b: 1 };

async fn failure(call: impl Future<Output = Result<(), impl Into<Error>>>) -> Error {
    call.await.map_err(Into::into).unwrap_err()
}

/// Sends the timeout of each request to the test, and `true` if it has a deadline.
fn record_limits(
    sender: tokio::sync::mpsc::UnboundedSender<(Option<Duration>, bool)>,
) -> impl isolated_workers_middleware::Middleware {
    on_request(move |request: &mut Request| {
        sender.send((request.timeout(), request.deadline().is_some())).unwrap();
        Ok(())
    })
}

#[tokio::test(start_paused = true)]
async fn a_call_fails_at_its_timeout() {
    let start = Instant::now();
    let service = local().wrapped_by(Timeout::new(Duration::from_secs(5)));
    assert_eq!(service.send(ADD).await.unwrap(), 2);
    let error = failure(service.send(Hang)).await;
    assert_eq!((error.kind(), error.executed()), (ErrorKind::Timeout, Executed::Maybe));
    assert_eq!((start.elapsed().as_secs(), error.middleware()), (5, Some("Timeout")));
}

#[tokio::test(start_paused = true)]
async fn the_shorter_timeout_is_sent_and_zero_means_none() {
    let (sender, mut seen) = tokio::sync::mpsc::unbounded_channel();
    for (limit, own, expected) in
        [(0, None, None), (5, None, Some(5)), (5, Some(3), Some(3)), (5, Some(0), Some(5))]
    {
        let service = local()
            .wrapped_by(record_limits(sender.clone()))
            .wrapped_by(Timeout::new(Duration::from_secs(limit)));
        let mut request = Request::of::<Add>(br#"{"a":1,"b":1}"#.to_vec().into());
        request.set_timeout(own.map(Duration::from_secs));
        service.call(request).await.unwrap();
        assert_eq!(seen.recv().await.unwrap().0, expected.map(Duration::from_secs));
    }
}

#[tokio::test(start_paused = true)]
async fn all_calls_of_a_scope_share_its_deadline() {
    let (sender, mut seen) = tokio::sync::mpsc::unbounded_channel();
    let service = local().wrapped_by(record_limits(sender)).wrapped_by(Deadline::new());
    service.send(ADD).await.unwrap();
    assert_eq!(seen.recv().await.unwrap(), (None, false));

    let start = Instant::now();
    let at = (start + Duration::from_secs(10)).into_std();
    let late = Deadline::scope(at, async {
        service.send(ADD).await.unwrap();
        assert_eq!(seen.recv().await.unwrap(), (Some(Duration::from_secs(10)), true));
        tokio::time::advance(Duration::from_secs(4)).await;
        service.send(ADD).await.unwrap();
        assert_eq!(seen.recv().await.unwrap(), (Some(Duration::from_secs(6)), true));
        let ended = failure(service.send(Hang)).await;
        assert_eq!((ended.kind(), ended.executed()), (ErrorKind::Timeout, Executed::Maybe));
        assert_eq!(start.elapsed().as_secs(), 10);
        failure(service.send(Hang)).await
    });
    let late = late.await;
    assert_eq!((late.kind(), late.executed()), (ErrorKind::Timeout, Executed::No));
    assert!(late.to_string().contains("`hang` was not called: its deadline passed"), "{late}");
}

#[tokio::test(start_paused = true)]
async fn the_earliest_deadline_applies() {
    let (sender, mut seen) = tokio::sync::mpsc::unbounded_channel();
    let service =
        local().wrapped_by(record_limits(sender)).wrapped_by(Deadline::within(Duration::from_secs(5)));
    let at = |seconds| (Instant::now() + Duration::from_secs(seconds)).into_std();
    for (outer, inner, expected) in [(9, 8, 5), (3, 8, 3), (8, 2, 2)] {
        Deadline::scope(at(outer), Deadline::scope(at(inner), service.send(ADD))).await.unwrap();
        assert_eq!(seen.recv().await.unwrap().0, Some(Duration::from_secs(expected)));
    }
}

/// Checks that it runs in the scope of a deadline.
async fn expects_deadline(request: Request, next: Next<'_>) -> Result<Response, Error> {
    assert!(Deadline::current().is_some());
    next.call(request).await
}

#[tokio::test(start_paused = true)]
async fn nested_calls_share_the_deadline_of_their_caller() {
    let service =
        local().wrapped_by(from_fn(expects_deadline)).wrapped_by(Deadline::within(Duration::from_secs(5)));
    service.send(ADD).await.unwrap();
    assert!(Deadline::current().is_none());
}

#[tokio::test]
async fn calls_over_a_concurrency_limit_wait_in_order() {
    let service = local().wrapped_by(ConcurrencyLimit::new(1));
    let mut first = Box::pin(service.send(Hang));
    let mut dropped = Box::pin(service.send(ADD));
    let mut third = Box::pin(service.send(ADD));
    assert!(poll!(&mut first).is_pending());
    assert!(poll!(&mut dropped).is_pending());
    assert!(poll!(&mut third).is_pending());
    // A dropped call leaves the queue.
    drop(dropped);
    drop(first);
    assert_eq!(third.await.unwrap(), 2);
}

#[tokio::test]
async fn load_shed_refuses_calls_only_while_too_many_are_in_flight() {
    let service = local().wrapped_by(LoadShed::new(1));
    let mut first = Box::pin(service.send(Hang));
    assert!(poll!(&mut first).is_pending());
    for _ in 0..2 {
        let error = service.send(ADD).await.map_err(Error::from).unwrap_err();
        assert_eq!((error.kind(), error.executed()), (ErrorKind::Overloaded, Executed::No));
    }
    drop(first);
    assert_eq!(service.send(ADD).await.unwrap(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_rate_limit_allows_a_burst_then_a_constant_rate() {
    let start = Instant::now();
    let service = local().wrapped_by(RateLimit::new(4, Duration::from_secs(2)));
    let mut began = Vec::new();
    for _ in 0..7 {
        service.send(ADD).await.unwrap();
        began.push(start.elapsed().as_millis());
    }
    // The timer has a resolution of 1 ms, and may be 1 ms late.
    let rounded: Vec<_> = began.iter().map(|at| at / 10 * 10).collect();
    assert_eq!(rounded, [0, 0, 0, 0, 500, 1000, 1500]);

    // At most one burst of tokens is saved up.
    tokio::time::advance(Duration::from_secs(100)).await;
    let start = Instant::now();
    for _ in 0..5 {
        service.send(ADD).await.unwrap();
    }
    assert_eq!(start.elapsed().as_millis() / 10 * 10, 500);
}

#[tokio::test(start_paused = true)]
async fn a_call_dropped_while_it_waits_takes_no_token() {
    let service = local().wrapped_by(RateLimit::new(1, Duration::from_secs(1)));
    service.send(ADD).await.unwrap();
    for _ in 0..10 {
        let mut waiting = Box::pin(service.send(ADD));
        assert!(poll!(&mut waiting).is_pending());
    }
    let start = Instant::now();
    service.send(ADD).await.unwrap();
    assert_eq!(start.elapsed().as_millis() / 10 * 10, 1000);
}

#[tokio::test(start_paused = true)]
async fn a_refusing_rate_limit_fails_calls_over_the_limit() {
    let service = local().wrapped_by(RateLimit::new(2, Duration::from_secs(1)).refusing());
    assert_eq!(service.send(ADD).await.unwrap(), 2);
    assert_eq!(service.send(ADD).await.unwrap(), 2);
    let error = service.send(ADD).await.map_err(Error::from).unwrap_err();
    assert_eq!((error.kind(), error.executed()), (ErrorKind::Overloaded, Executed::No));
    assert!(error.to_string().contains("the rate limit of 2 per 1s was reached"), "{error}");
    tokio::time::advance(Duration::from_millis(500)).await;
    assert_eq!(service.send(ADD).await.unwrap(), 2);
}
