//! The generated `Request` enum, and a worker that dispatches on it.

use isolated_workers::codec::{Codec, Json, Postcard};
use isolated_workers::protocol::{Body, Request};
use isolated_workers::service::Local;
use isolated_workers::{ErrorKind, Message, Service, ServiceExt};

use crate::everywhere;
use crate::services::ledger::{Actor, LedgerClient, ledger};

everywhere!(LedgerClient, "ledger", Actor::start(), [an_actor_answers_decoded_requests]);

async fn an_actor_answers_decoded_requests<S: Service>(ledger: LedgerClient<S>) {
    ledger.deposit("a".into(), 3).await.unwrap();
    ledger.deposit("b".into(), 4).await.unwrap();
    ledger.close("a".into()).await.unwrap();
    // The worker may not have received the oneway message yet.
    ledger.deposit("b".into(), 5).await.unwrap();
    let mut history = ledger.history().await.unwrap();
    while history.len() < 4 {
        history = ledger.history().await.unwrap();
    }
    history.sort();
    assert_eq!(history, ["3 to a", "4 to b", "5 to b", "a is closed"]);
}

/// Request for `message`, encoded by `encode`.
fn request<M: Message>(message: &M, encode: impl FnOnce(&M) -> Vec<u8>) -> Request {
    Request::of::<M>(encode(message).into())
}

#[test]
fn each_message_decodes_to_its_variant() {
    let json = |message: &ledger::Deposit| serde_json::to_vec(message).unwrap();
    let deposit = ledger::Deposit { account: "a\"".into(), amount: u64::MAX };
    let decoded = ledger::Request::decode(&Json, &request(&deposit, json)).unwrap();
    assert_eq!(decoded, ledger::Request::Deposit(deposit));
    assert_eq!(decoded.name(), "deposit");

    let close = request(&ledger::Close { account: "a".into() }, |_| b"\x01a".to_vec());
    let decoded = ledger::Request::decode(&Postcard, &close).unwrap();
    assert!(matches!(&decoded, ledger::Request::Close(close) if close.account == "a"));
    assert_eq!(decoded.name(), "close");

    fn history<C: Codec>(codec: C) -> ledger::Request {
        ledger::Request::decode(&codec, &Request::of::<ledger::History>(Body::empty())).unwrap()
    }
    assert_eq!(history(Json), ledger::Request::History(ledger::History));
    assert_eq!(history(Postcard).clone().name(), "history");
}

#[test]
fn unknown_and_malformed_requests_are_errors() {
    let unknown = Request::new("withdraw".into(), Body::empty());
    let error = ledger::Request::decode(&Json, &unknown).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnknownMessage);
    let text = error.to_string();
    assert!(text.contains("Ledger") && text.contains("`withdraw`"), "{text}");

    let garbled = Request::new("deposit".into(), br#"{"account":"a"}"#.to_vec().into());
    let error = ledger::Request::decode(&Json, &garbled).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Decode);
    let text = error.to_string();
    assert!(text.contains("`deposit`") && text.contains("missing field `amount`"), "{text}");
}

#[tokio::test]
async fn messages_are_sent_without_a_client() {
    let actor = Local::new(Actor::start(), Json);
    actor.send(ledger::Deposit { account: "a".into(), amount: 1 }).await.unwrap();
    assert_eq!(actor.send(ledger::History).await.unwrap(), ["1 to a"]);
}
