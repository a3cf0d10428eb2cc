//! Timeouts and deadlines across processes.

use std::time::{Duration, Instant};

use isolated_workers::ErrorKind;
use isolated_workers::error::Executed;
use isolated_workers::layer::{ConcurrencyLimit, Deadline, Timeout};
#[cfg(unix)]
use isolated_workers_test_support::Fifo;
use isolated_workers_test_support::soon;

use crate::support::service::DeskClient;
use crate::{desk, program};

const SHORT_TIMEOUT: Duration = Duration::from_millis(50);

#[tokio::test]
async fn a_host_timeout_cancels_the_call_on_the_worker() {
    let worker = program(&["plain"]).layer(Timeout::new(SHORT_TIMEOUT)).spawn().await.unwrap();
    let desk = DeskClient::new(worker);
    let error = soon(desk.hang()).await.unwrap_err();
    assert_eq!((error.kind(), error.executed()), (ErrorKind::Timeout, Executed::Maybe));
    soon(async { while desk.cancelled().await.unwrap() == 0 {} }).await;
    // The worker receives the remaining time of the call.
    let remaining_ms = soon(desk.describe(String::new())).await.unwrap().remaining_ms.unwrap();
    assert!(remaining_ms <= 50, "{remaining_ms}");
}

#[tokio::test]
async fn a_worker_timeout_ends_its_handler() {
    let desk = desk(&["timeout"]).await;
    let error = soon(desk.hang()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(
        error.to_string().starts_with("in the middleware `Timeout`: `hang` was not answered within 50ms")
    );
    assert_eq!(soon(desk.cancelled()).await.unwrap(), 1);
}

/// Nobody can end the thread, so the call counts as in flight until it has ended.
#[cfg(unix)]
#[tokio::test]
async fn a_worker_timeout_is_told_when_the_thread_of_its_blocking_handler_has_ended() {
    let desk = desk(&["timeout"]).await;
    let pipe = Fifo::new();
    let finish = async {
        let opened = pipe.opened().await;
        tokio::time::sleep(4 * SHORT_TIMEOUT).await;
        drop(opened);
        Instant::now()
    };
    let call = async { (desk.read(pipe.path()).await, Instant::now()) };
    let ((result, answered), ended) = soon(async { tokio::join!(call, finish) }).await;
    assert_eq!(result.unwrap_err().kind(), ErrorKind::Timeout);
    assert!(answered > ended, "the call was answered while its thread ran");
    assert_eq!(soon(desk.add(1, 1)).await.unwrap(), 2);
}

#[tokio::test]
async fn the_remaining_deadline_reaches_the_worker() {
    let worker = program(&["deadline"]).layer(Deadline::new()).spawn().await.unwrap();
    let desk = DeskClient::new(worker);
    let at = Instant::now() + Duration::from_secs(10);
    let described = soon(Deadline::scope(at, desk.describe(String::new()))).await.unwrap();
    let remaining_ms = described.remaining_ms.unwrap();
    assert!((1..=10_000).contains(&remaining_ms), "{remaining_ms}");
    // Without a scope, the message's own timeout of 60 s applies.
    let remaining_ms = soon(desk.describe(String::new())).await.unwrap().remaining_ms.unwrap();
    assert!((50_000..=60_000).contains(&remaining_ms), "{remaining_ms}");
    assert_eq!(soon(desk.add(1, 1)).await.unwrap(), 2);
}

#[tokio::test]
async fn a_call_whose_deadline_passes_in_the_queue_is_not_handled() {
    let desk = desk(&["queue"]).await;
    let hang = desk.hang();
    tokio::select! {
        biased;
        _ = hang => panic!("`hang` returned"),
        () = async {
            // The note has a deadline of 1 ms and waits behind the hanging call.
            desk.note().await.unwrap();
            tokio::time::sleep(SHORT_TIMEOUT).await;
        } => {}
    }
    assert_eq!(soon(desk.noted()).await.unwrap(), 0);
    soon(desk.note()).await.unwrap();
    soon(async {
        while desk.noted().await.unwrap() == 0 {
            desk.note().await.unwrap()
        }
    })
    .await;
}

#[tokio::test]
async fn calls_queued_on_the_host_are_not_sent() {
    let worker = program(&["plain"]).layer(ConcurrencyLimit::new(1)).spawn().await.unwrap();
    let desk = DeskClient::new(worker.clone());
    let hang = desk.hang();
    tokio::select! {
        biased;
        _ = hang => panic!("`hang` returned"),
        _ = desk.describe(String::new()) => panic!("the only permit is taken"),
        _ = tokio::task::yield_now() => {}
    }
    assert_eq!(soon(desk.described()).await.unwrap(), 0);
}
