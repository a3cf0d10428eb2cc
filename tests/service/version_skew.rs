//! Host and worker with different definitions or different codecs.

use isolated_workers::codec::{Codec, Json, Postcard};
use isolated_workers::error::{Executed, Never};
use isolated_workers::protocol::Schema;
use isolated_workers::{Error, ErrorKind, Message, ServiceExt, Worker};
use serde::{Deserialize, Serialize};

use crate::services::shop::{new, old, renamed, reordered};
use crate::{program, worker};

#[test]
fn different_definitions_have_different_schemas() {
    assert_eq!(old::shop::SCHEMA, reordered::shop::SCHEMA);
    assert_ne!(old::shop::SCHEMA, new::shop::SCHEMA);
    assert_ne!(old::shop::SCHEMA.fingerprint(), new::shop::SCHEMA.fingerprint());
    assert_ne!(old::shop::SCHEMA, renamed::kiosk::SCHEMA);
    assert_eq!(new::shop::SCHEMA.service(), "Shop");
}

async fn refused<C: Codec>(service: Schema, codec: C) -> Error {
    let builder = Worker::builder(program("shop", Json::ID)).codec(codec).service(service);
    builder.spawn().await.expect_err("no worker")
}

#[tokio::test]
async fn another_definition_is_refused() {
    for other in [new::shop::SCHEMA, renamed::kiosk::SCHEMA] {
        let error = refused(other.clone(), Json).await;
        assert_eq!(error.kind(), ErrorKind::Handshake);
        let text = error.to_string();
        assert!(text.contains(&other.to_string()) && text.contains(&old::shop::SCHEMA.to_string()), "{text}");
    }
}

#[tokio::test]
async fn the_methods_that_differ_are_named() {
    let text = refused(new::shop::SCHEMA, Json).await.to_string();
    let difference = "which differ in `buy` with another signature, `sell` only in this host; build both";
    assert!(text.contains(difference), "{text}");
    let text = refused(renamed::kiosk::SCHEMA, Json).await.to_string();
    assert!(!text.contains("differ in"), "another service has other methods: {text}");
}

#[tokio::test]
async fn another_codec_is_refused() {
    let error = refused(old::shop::SCHEMA, Postcard).await;
    assert_eq!(error.kind(), ErrorKind::Handshake);
    let text = error.to_string();
    assert!(text.contains("of this host is postcard") && text.contains("of the worker is json"), "{text}");
    assert!(text.contains(".codec("), "{text}");
}

#[tokio::test]
async fn the_same_definition_is_accepted() {
    let builder = Worker::builder(program("shop", Json::ID)).service(reordered::shop::SCHEMA);
    let worker = builder.spawn().await.unwrap();
    let shop = reordered::ShopClient::new(&worker);
    assert_eq!(shop.buy("cup".into(), 2).await.unwrap(), 6);
}

/// A call that the old worker does not understand fails. Calls in flight beside it succeed.
async fn a_newer_client<C: Codec>(codec: C) {
    let worker = worker("shop", codec).await;
    let (old, new) = (old::ShopClient::new(&worker), new::ShopClient::new(&worker));

    let (unknown, stock) = tokio::join!(new.sell("cup".into()), old.stock());
    let error = unknown.unwrap_err();
    assert_eq!((error.kind(), error.executed()), (ErrorKind::UnknownMessage, Executed::No));
    let text = error.to_string();
    assert!(text.contains("Shop") && text.contains("`sell`"), "{text}");
    assert_eq!(stock.unwrap(), 7);

    let basket = vec![("a cup of tea".into(), 1), ("milk".into(), 2)];
    let (garbled, bought) = tokio::join!(new.buy(basket), old.buy("cup".into(), 2));
    let error = garbled.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Decode);
    assert!(error.to_string().contains("could not decode `buy`"), "{error}");
    assert_eq!(bought.unwrap(), 6);

    /// Expects a `String`, while the worker replies with a number.
    #[derive(Serialize, Deserialize)]
    struct Stock;
    impl Message for Stock {
        const NAME: &'static str = "stock";
        type Reply = String;
        type Error = Never;
    }
    let error = Error::from(worker.send(Stock).await.unwrap_err());
    assert_eq!((error.kind(), error.executed()), (ErrorKind::Decode, Executed::Yes));
    assert!(error.to_string().contains("the reply to `stock`"), "{error}");

    assert_eq!(new.stock().await.unwrap(), 7);
    worker.close().await.unwrap();
}

#[tokio::test]
async fn a_newer_client_fails_only_its_own_calls_as_json() {
    a_newer_client(Json).await;
}

#[tokio::test]
async fn a_newer_client_fails_only_its_own_calls_as_postcard() {
    a_newer_client(Postcard).await;
}
