//! Calls that a layer refuses or changes, on either side.

use isolated_workers::layer::{Auth, LoadShed, RateLimit, Validate, for_message, tower_layer};
use isolated_workers::{Error, ErrorKind, Service};
use isolated_workers_test_support::soon;
use std::time::Duration;

use crate::support::service::DeskClient;
use crate::support::service::desk::Add;
use crate::{desk, program};

async fn add(service: impl Service) -> Result<i64, Error> {
    soon(DeskClient::new(service).add(2, 3)).await
}

#[tokio::test]
async fn a_worker_requires_the_right_token() {
    let with = async |token: &str| program(&["auth"]).layer(Auth::new(token)).spawn().await.unwrap();
    assert_eq!(add(with("the right one").await).await.unwrap(), 5);
    for wrong in ["", "the right on", "the right one!", "the wrong one"] {
        let error = add(with(wrong).await).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Denied, "{wrong}");
        assert!(
            error.to_string().starts_with("in the middleware `Auth`: `add` was refused: its token is wrong")
        );
        assert!(!error.to_string().contains("the right one"), "{error}");
    }
    let error = add(program(&["auth"]).spawn().await.unwrap()).await.unwrap_err();
    assert!(error.to_string().contains("it has no token"), "{error}");
}

#[tokio::test]
async fn a_handler_does_not_see_the_token() {
    let worker = program(&["auth"]).layer(Auth::new("the right one")).spawn().await.unwrap();
    let described = soon(DeskClient::new(worker).describe("authorization".into())).await.unwrap();
    assert_eq!((described.value, described.keys), (None, vec![]));
}

#[tokio::test]
async fn messages_are_validated_on_either_side() {
    let positive = |add: &Add| if add.a >= 0 { Ok(()) } else { Err("it is negative") };
    let host = program(&["plain"]).layer(Validate::new(positive)).spawn().await.unwrap();
    let on_worker = DeskClient::new(program(&["valid"]).spawn().await.unwrap());
    let on_host = DeskClient::new(host);
    for error in [soon(on_host.add(-1, 1)).await.unwrap_err(), soon(on_worker.add(-1, 1)).await.unwrap_err()]
    {
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().ends_with("`add` is invalid: it is negative"), "{error}");
    }
    assert_eq!((soon(on_host.add(1, 1)).await.unwrap(), soon(on_worker.add(1, 1)).await.unwrap()), (2, 2));
}

#[tokio::test]
async fn replies_are_mapped_on_either_side() {
    let worker = program(&["doubled"]).layer(for_message::<Add>().on_reply(|sum: &mut i64| {
        *sum += 1;
        Ok(())
    }));
    assert_eq!(add(worker.spawn().await.unwrap()).await.unwrap(), 11);
}

#[tokio::test]
async fn load_is_shed_on_either_side() {
    let assert_shed = async |desk: DeskClient<_>| {
        let hang = desk.hang();
        tokio::select! {
            biased;
            _ = hang => panic!("`hang` returned"),
            refused = desk.add(1, 1) => assert_eq!(refused.unwrap_err().kind(), ErrorKind::Overloaded),
        }
        // The permit is free once the call is dropped, or once the worker has cancelled the call.
        soon(async { while desk.add(1, 1).await.is_err() {} }).await;
    };
    assert_shed(DeskClient::new(program(&["shed"]).layer(None::<LoadShed>).spawn().await.unwrap())).await;
    assert_shed(DeskClient::new(program(&["plain"]).layer(Some(LoadShed::new(1))).spawn().await.unwrap()))
        .await;
}

#[tokio::test]
async fn the_rate_is_limited_on_either_side() {
    let on_worker = desk(&["rate"]).await;
    let limit = RateLimit::new(1, Duration::from_secs(3600)).refusing();
    let on_host = program(&["plain"]).layer(limit).spawn().await.unwrap();
    assert_eq!(soon(on_worker.add(2, 3)).await.unwrap(), 5);
    assert_eq!(soon(on_worker.add(2, 3)).await.unwrap_err().kind(), ErrorKind::Overloaded);
    assert_eq!(add(on_host.clone()).await.unwrap(), 5);
    assert_eq!(add(on_host).await.unwrap_err().kind(), ErrorKind::Overloaded);
}

#[tokio::test]
async fn a_call_that_waits_for_the_rate_and_is_not_polled_delays_no_other_call() {
    let limit = RateLimit::new(1, Duration::from_millis(100));
    let desk = DeskClient::new(program(&["plain"]).layer(limit).spawn().await.unwrap());
    assert_eq!(soon(desk.add(1, 1)).await.unwrap(), 2);
    let mut unpolled = Box::pin(desk.add(2, 2));
    assert!(futures_util::poll!(&mut unpolled).is_pending());
    assert_eq!(soon(desk.add(3, 3)).await.unwrap(), 6);
    // A call that is dropped while it waits returns its token.
    drop(unpolled);
    for number in 0..3 {
        assert_eq!(soon(desk.add(number, 1)).await.unwrap(), number + 1);
    }
}

#[tokio::test]
async fn a_tower_layer_works_on_either_side() {
    assert_eq!(soon(desk(&["tower"]).await.add(2, 3)).await.unwrap(), 5);
    let timeout = tower_layer(tower::timeout::TimeoutLayer::new(Duration::from_millis(50)));
    let worker = program(&["tower"]).layer(timeout).spawn().await.unwrap();
    let desk = DeskClient::new(worker);
    let error = soon(desk.hang()).await.unwrap_err();
    assert_eq!((error.kind(), error.middleware()), (ErrorKind::Middleware, Some("TowerLayer")));
    // The worker cancels the call.
    soon(async { while desk.cancelled().await.unwrap() == 0 {} }).await;
}
