//! The context of a call, as its handler sees it.

use isolated_workers::Service;
use isolated_workers::layer::SetMetadata;
use isolated_workers::protocol::Request;
use isolated_workers_test_support::soon;

use crate::support::service::desk::Describe;
use crate::support::service::{Described, DeskClient};
use crate::{desk, program};

#[tokio::test]
async fn a_context_describes_its_call() {
    let worker = program(&["plain"]).layer(SetMetadata::new([("tenant", "acme")])).spawn().await.unwrap();
    let described = soon(DeskClient::new(worker).describe("tenant".into())).await.unwrap();
    let remaining_ms = described.remaining_ms.unwrap();
    assert!((50_000..=60_000).contains(&remaining_ms), "{remaining_ms}");
    let expected = Described {
        name: "describe".into(),
        value: Some("acme".into()),
        keys: vec!["tenant".into()],
        attempt: 1,
        remaining_ms: described.remaining_ms,
        peer: Some(std::process::id()),
        has_id: true,
    };
    assert_eq!(described, expected);
}

#[tokio::test]
async fn the_attempt_number_reaches_the_worker() {
    let worker = program(&["plain"]).spawn().await.unwrap();
    let mut request = Request::of::<Describe>(br#"{"key":"x"}"#.to_vec().into());
    request.set_attempt(7);
    let response = soon(worker.call(request)).await.unwrap();
    let described: Described = serde_json::from_slice(response.body().as_bytes()).unwrap();
    assert_eq!(described.attempt, 7);
}

#[tokio::test]
async fn the_cancellation_token_fires_when_the_call_is_dropped() {
    let desk = desk(&["plain"]).await;
    for cancelled in 1..=3 {
        // `hang` is sent before the reply to the next call arrives.
        let hang = desk.hang();
        tokio::select! {
            biased;
            _ = hang => panic!("`hang` returned"),
            count = desk.cancelled() => assert_eq!(count.unwrap(), cancelled - 1),
        }
        soon(async { while desk.cancelled().await.unwrap() < cancelled {} }).await;
    }
}
