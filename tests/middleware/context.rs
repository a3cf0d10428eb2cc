//! What a method sees of its call.

use isolated_workers::{Request, Service, SetMetadata};
use isolated_workers_test_support::soon;

use crate::support::service::desk::Describe;
use crate::support::service::{Described, DeskClient};
use crate::{desk, program};

#[tokio::test]
async fn a_context_describes_its_call() {
    let worker = program(&["plain"]).layer(SetMetadata::new([("tenant", "acme")])).spawn().await.unwrap();
    let described = soon(DeskClient::new(worker).describe("tenant".into())).await.unwrap();
    let left = described.left.unwrap();
    assert!((50_000..=60_000).contains(&left), "{left}");
    let expected = Described {
        name: "describe".into(),
        value: Some("acme".into()),
        keys: vec!["tenant".into()],
        attempt: 1,
        left: described.left,
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
    for given_up in 1..=3 {
        // The hanging call is written before the one behind it is answered.
        let hang = desk.hang();
        tokio::select! {
            biased;
            _ = hang => panic!("it hangs"),
            count = desk.given_up() => assert_eq!(count.unwrap(), given_up - 1),
        }
        soon(async { while desk.given_up().await.unwrap() < given_up {} }).await;
    }
}
