//! Two services with messages of the same name, behind one `Router`.

use isolated_workers_codec::{Codec, Json, Postcard};
use isolated_workers_core::{
    Body, CallError, Error, ErrorKind, Executed, Message, Name, Never, Request, Response, Schema,
};
use isolated_workers_middleware::{
    BoxService, Handler, Local, Retry, Router, Service, ServiceExt, Validate, for_message, handler,
};
use serde::{Deserialize, Serialize};

/// Declares a service with the message `get`, whose handler answers with its own text and the key.
macro_rules! service {
    ($handler:ident, $message:ident, $schema:ident, $name:literal, $fingerprint:literal) => {
        static $schema: Schema = Schema::new($name, $fingerprint);

        #[derive(Debug, Serialize, Deserialize)]
        struct $message {
            key: u32,
        }

        impl Message for $message {
            const NAME: &'static str = "get";
            const RETRY: u32 = 2;
            const SERVICE: Option<&'static Schema> = Some(&$schema);
            type Reply = String;
            type Error = Never;
        }

        struct $handler;

        impl Handler for $handler {
            const SCHEMA: Schema = Schema::new($name, $fingerprint);

            async fn handle<C: Codec>(&self, codec: &C, request: Request) -> Result<Response, Error> {
                match request.name() {
                    $message::NAME => {
                        let answer = |$message { key }| async move { Ok(format!("{} {key}", $name)) };
                        handler::respond(codec, request, answer).await
                    }
                    _ => Err(handler::unknown_message(&Self::SCHEMA, &request)),
                }
            }
        }
    };
}

service!(Store, StoreGet, STORE, "Store", 1);
service!(Journal, JournalGet, JOURNAL, "Journal", 1);
service!(Notes, NotesGet, NOTES, "Notes", 1);
service!(OtherStore, OtherStoreGet, OTHER_STORE, "Store", 2);

/// Message of no known service.
#[derive(Serialize, Deserialize)]
struct Get {
    key: u32,
}

impl Message for Get {
    const NAME: &'static str = "get";
    type Reply = String;
    type Error = Never;
}

async fn get<M: Message<Reply = String, Error = Never>>(service: &impl Service, message: M) -> String {
    service.send(message).await.unwrap()
}

async fn refused<M: Message<Error = Never>>(service: &impl Service, message: M) -> Error {
    match service.send(message).await {
        Err(CallError::Call(error)) => error,
        _ => panic!("the call succeeded"),
    }
}

async fn each_gets_its_own(service: &impl Service) {
    assert_eq!(get(service, StoreGet { key: 1 }).await, "Store 1");
    assert_eq!(get(service, JournalGet { key: 2 }).await, "Journal 2");
    assert_eq!(get(service, NotesGet { key: 3 }).await, "Notes 3");
}

#[tokio::test]
async fn services_with_messages_of_the_same_name_are_told_apart() {
    let router = || Router::new().add(Store).add(Journal).add(Notes);
    each_gets_its_own(&Local::new(router(), Json)).await;
    each_gets_its_own(&Local::new(router(), Postcard)).await;
    let nested = Router::new().add(Store).add(Router::new().add(Notes).add(Journal));
    each_gets_its_own(&Local::new(nested, Json)).await;
    let nested = Router::new().add(Router::new().add(Notes).add(Journal)).add(Store);
    each_gets_its_own(&Local::new(nested, Json)).await;
}

#[tokio::test]
async fn a_message_of_no_service_reaches_the_first_one() {
    let router = Local::new(Router::new().add(Journal).add(Store), Json);
    assert_eq!(get(&router, Get { key: 1 }).await, "Journal 1");
    let nested = Router::new().add(Router::new().add(Notes).add(Journal)).add(Store);
    assert_eq!(get(&Local::new(nested, Json), Get { key: 1 }).await, "Notes 1");
}

#[tokio::test]
async fn a_request_may_name_its_service() {
    let router = Local::new(Router::new().add(Journal).add(Store), Json);
    for (service, expected) in [("Store", "Store 7"), ("Journal", "Journal 7")] {
        let mut request = Request::new(Name::from_static("get"), Body::from(br#"{"key":7}"#.to_vec()));
        request.set_service(service);
        let response = router.call(request).await.unwrap();
        assert_eq!(router.decode_reply::<Get>(&response).unwrap(), expected);
    }
}

#[tokio::test]
async fn a_service_that_is_not_served_is_an_error_that_names_it() {
    let error = refused(&Local::new(Router::new().add(Store).add(Notes), Json), JournalGet { key: 1 }).await;
    assert_eq!((error.kind(), error.executed()), (ErrorKind::UnknownMessage, Executed::No));
    assert!(error.to_string().contains("`Journal`: the callee serves `Store`, `Notes`; add"), "{error}");
    // A handler of one service has a message of this name, too.
    let error = refused(&Local::new(Store, Json), JournalGet { key: 1 }).await;
    assert_eq!((error.kind(), error.executed()), (ErrorKind::UnknownMessage, Executed::No));
    assert!(error.to_string().contains("`Journal`: the callee serves `Store`; add"), "{error}");
}

#[tokio::test]
async fn a_router_with_two_services_of_a_name_refuses_each_call() {
    let refused_by = async |error: Error, name: &str| {
        assert_eq!((error.kind(), error.executed()), (ErrorKind::Config, Executed::No));
        let text = format!("two services have the same name: {name}");
        assert!(error.to_string().contains(&text), "{error}");
    };
    let router = Local::new(Router::new().add(Store).add(OtherStore), Json);
    refused_by(refused(&router, StoreGet { key: 1 }).await, "Store").await;
    refused_by(refused(&router, OtherStoreGet { key: 1 }).await, "Store").await;
    refused_by(refused(&router, Get { key: 1 }).await, "Store").await;
    let nested = Router::new().add(Store).add(Router::new().add(Notes).add(Store));
    refused_by(refused(&Local::new(nested, Json), Get { key: 1 }).await, "Store").await;
}

#[tokio::test]
async fn layers_keep_the_service_of_a_request() {
    let router = || Local::new(Router::new().add(Store).add(Journal).add(Notes), Json);
    each_gets_its_own(&BoxService::new(router().wrapped_by(Retry::new(3)))).await;
}

#[tokio::test]
async fn a_layer_for_a_message_ignores_that_name_of_another_service() {
    let doubled = for_message::<JournalGet>().on_request(|get: &mut JournalGet| {
        get.key *= 2;
        Ok(())
    });
    let odd = Validate::new(|get: &StoreGet| if get.key % 2 == 1 { Ok(()) } else { Err("even") });
    let router = Local::new(Router::new().add(Store).add(Journal), Json).wrapped_by(doubled).wrapped_by(odd);
    assert_eq!(get(&router, StoreGet { key: 3 }).await, "Store 3");
    assert_eq!(get(&router, JournalGet { key: 4 }).await, "Journal 8");
    assert_eq!(refused(&router, StoreGet { key: 4 }).await.kind(), ErrorKind::Invalid);
    let request = Request::of::<JournalGet>(Body::from(br#"{"key":7}"#.to_vec()));
    let error = router.decode::<StoreGet>(&request).unwrap_err();
    assert!(error.to_string().contains("their services differ"), "{error}");
}
