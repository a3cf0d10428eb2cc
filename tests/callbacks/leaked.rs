//! Callbacks whose futures are never polled again.

use super::*;

/// More than a host takes at once.
const CALLS: usize = 80;

#[tokio::test]
async fn a_leaked_callback_ends_with_the_answer_of_its_call() {
    let (host, mut waits) = Host::new();
    let painter = started(&host).await;
    for _ in 0..CALLS {
        soon(painter.leak_waiting()).await.unwrap();
        assert_eq!((soon(waits.recv()).await, soon(waits.recv()).await), (Some(true), Some(false)));
    }
    assert_eq!(soon(painter.add(2, 3)).await.unwrap(), 5);
}

#[tokio::test]
async fn a_leaked_stream_of_a_callback_ends_with_the_answer_of_its_call() {
    let (host, mut waits) = Host::new();
    let painter = started(&host).await;
    for _ in 0..CALLS {
        soon(painter.leak_items()).await.unwrap();
        assert_eq!((soon(waits.recv()).await, soon(waits.recv()).await), (Some(true), Some(false)));
    }
    assert_eq!(soon(painter.add(2, 3)).await.unwrap(), 5);
}

#[tokio::test]
async fn a_leaked_callback_ends_with_its_oneway_message() {
    let (host, mut waits) = Host::new();
    let painter = started(&host).await;
    for _ in 0..CALLS {
        soon(painter.leak_waiting_oneway()).await.unwrap();
        assert_eq!((soon(waits.recv()).await, soon(waits.recv()).await), (Some(true), Some(false)));
    }
    assert_eq!(soon(painter.add(2, 3)).await.unwrap(), 5);
}

#[tokio::test]
async fn a_leaked_callback_is_cancelled_with_its_call() {
    let (host, mut waits) = Host::new();
    let painter = started(&host).await;
    for _ in 0..CALLS {
        let mut call = Box::pin(painter.leak_waiting_and_wait());
        assert!(futures_util::poll!(&mut call).is_pending());
        assert_eq!(soon(waits.recv()).await, Some(true));
        drop(call);
        assert_eq!(soon(waits.recv()).await, Some(false));
    }
    assert_eq!(soon(painter.add(2, 3)).await.unwrap(), 5);
}
