//! Conditions and limits of retries.

use std::time::Duration;

use isolated_workers_core::{Error, ErrorKind, Executed, Request};
use isolated_workers_middleware::{Retry, Service, ServiceExt, on_request};
use tokio::time::Instant;

use crate::{Flaky, local};

fn without_delay(attempts: u32) -> Retry {
    Retry::new(attempts).backoff(Duration::ZERO, Duration::ZERO)
}

/// `executed` is the execution state that the errors report; `None` is `Maybe`. The `retry`
/// attribute of the message is 2.
#[tokio::test]
async fn only_safe_calls_are_retried() {
    for (good, executed, attempts, expected) in [
        // Not run: up to the attempts of the layer.
        (1, Some(false), 5, Ok(1)),
        (5, Some(false), 5, Ok(5)),
        (6, Some(false), 5, Err(())),
        (2, Some(false), 1, Err(())),
        // Maybe run: up to the retries of the message.
        (3, None, 5, Ok(3)),
        (4, None, 5, Err(())),
        (3, None, 2, Err(())),
        // Run: never retried.
        (2, Some(true), 5, Err(())),
    ] {
        let answer = local().wrapped_by(without_delay(attempts)).send(Flaky { good, executed }).await;
        // The reply is the number of the attempt.
        assert_eq!(answer.map_err(drop), expected, "{good} {executed:?} {attempts}");
    }
}

#[tokio::test]
async fn the_error_of_a_retried_call_includes_earlier_attempts() {
    for (first, executed) in [(ErrorKind::Timeout, Executed::Maybe), (ErrorKind::Overloaded, Executed::No)] {
        let fails = on_request(move |request: &mut Request| {
            Err(Error::new(if request.attempt() == 1 { first } else { ErrorKind::Denied }, "no"))
        });
        let service = local().wrapped_by(fails).wrapped_by(without_delay(3));
        let error = service.send(Flaky { good: 1, executed: None }).await.map_err(Error::from).unwrap_err();
        assert_eq!((error.kind(), error.executed()), (ErrorKind::Denied, executed));
    }
}

#[tokio::test]
async fn only_transient_errors_are_retried() {
    let calls = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
    let counter = std::sync::Arc::clone(&calls);
    let refuses = move |kind| {
        let counter = std::sync::Arc::clone(&counter);
        on_request(move |_: &mut Request| {
            counter.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            Err(Error::new(kind, "no"))
        })
    };
    for (kind, expected) in [
        (ErrorKind::Denied, 1),
        (ErrorKind::Invalid, 1),
        (ErrorKind::UnknownMessage, 1),
        (ErrorKind::Overloaded, 3),
        (ErrorKind::Startup, 3),
    ] {
        calls.store(0, std::sync::atomic::Ordering::SeqCst);
        let service = local().wrapped_by(refuses(kind)).wrapped_by(without_delay(3));
        let error = service.send(Flaky { good: 1, executed: None }).await.map_err(Error::from).unwrap_err();
        assert_eq!(error.kind(), kind);
        assert_eq!(calls.load(std::sync::atomic::Ordering::SeqCst), expected, "{kind:?}");
    }
    // `when` overrides the transient errors.
    calls.store(0, std::sync::atomic::Ordering::SeqCst);
    let retries_denied = without_delay(3).when(|error| error.kind() == ErrorKind::Denied);
    local()
        .wrapped_by(refuses(ErrorKind::Denied))
        .wrapped_by(retries_denied)
        .send(Flaky { good: 1, executed: None })
        .await
        .unwrap_err();
    assert_eq!(calls.load(std::sync::atomic::Ordering::SeqCst), 3);
}

#[tokio::test]
async fn each_attempt_passes_the_layers_below() {
    let (sender, mut seen) = tokio::sync::mpsc::unbounded_channel();
    let service = local()
        .wrapped_by(on_request(move |request: &mut Request| {
            sender.send((request.attempt(), request.metadata().len())).unwrap();
            Ok(())
        }))
        .wrapped_by(without_delay(5));
    service.send(Flaky { good: 3, executed: Some(false) }).await.unwrap();
    drop(service);
    let mut attempts = Vec::new();
    while let Some(attempt) = seen.recv().await {
        attempts.push(attempt);
    }
    assert_eq!(attempts, [(1, 0), (2, 1), (3, 1)]);
}

#[tokio::test]
async fn an_empty_budget_prevents_retries() {
    let service = local().wrapped_by(without_delay(100).budget(0, 2));
    let error = service.send(Flaky { good: 4, executed: Some(false) }).await.unwrap_err();
    assert_eq!(error.call().unwrap().kind(), ErrorKind::Crashed);
    // The first call made three attempts, so the next is the fourth.
    assert_eq!(service.send(Flaky { good: 4, executed: Some(false) }).await.unwrap(), 1);
    let service = local().wrapped_by(without_delay(100).unbudgeted());
    assert_eq!(service.send(Flaky { good: 60, executed: Some(false) }).await.unwrap(), 60);
}

#[tokio::test(start_paused = true)]
async fn retries_wait_between_attempts() {
    let start = Instant::now();
    let retry = Retry::new(20).backoff(Duration::from_secs(1), Duration::from_secs(3));
    let service = local().wrapped_by(retry.unbudgeted());
    service.send(Flaky { good: 20, executed: Some(false) }).await.unwrap();
    // The waits are random, up to 1 + 2 + 17 * 3 s in total. A total below 1 s has a probability of
    // about 1 in 10^18.
    let waited = start.elapsed().as_secs_f64();
    assert!((1.0..=54.1).contains(&waited), "{waited}");
}

#[tokio::test]
async fn dropping_a_call_ends_its_wait() {
    let service = local().wrapped_by(Retry::new(2).backoff(Duration::MAX, Duration::MAX));
    let mut call = Box::pin(service.send(Flaky { good: 9, executed: Some(false) }));
    assert!(futures_util::poll!(&mut call).is_pending());
    drop(call);
    let request = Request::of::<Flaky>(br#"{"good":2,"executed":null}"#.to_vec().into());
    service.call(request).await.unwrap();
}
