//! Context of a handler.

use std::time::Duration;

use isolated_workers_codec::{Codec, Json};
use isolated_workers_core::{Body, Error, Message, Never, Request, Response, Schema};
use isolated_workers_middleware::{Handler, Local, Service, handler};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::UnboundedSender;
use tokio_util::sync::CancellationToken;

#[derive(Serialize, Deserialize)]
struct Wait {
    hang: bool,
}

impl Message for Wait {
    const NAME: &'static str = "wait";
    type Reply = Option<String>;
    type Error = Never;
    const TIMEOUT: Option<Duration> = Some(Duration::from_secs(60));
}

/// Sends the token of each call to the test, and answers with the tenant.
struct Waiter(UnboundedSender<CancellationToken>);

impl Handler for Waiter {
    const SCHEMA: Schema = Schema::new("Waiter", 1);

    async fn handle<C: Codec>(&self, codec: &C, request: Request) -> Result<Response, Error> {
        let answer = handler::respond_in_context(codec, request, async |context, Wait { hang }| {
            assert_eq!((context.name(), context.attempt(), context.peer()), ("wait", 3, None));
            let left = context.deadline().unwrap().saturating_duration_since(std::time::Instant::now());
            assert!(left > Duration::from_secs(50), "{left:?}");
            self.0.send(context.cancelled().clone()).unwrap();
            if hang {
                std::future::pending::<()>().await;
            }
            Ok(context.metadata().get("tenant").map(str::to_owned))
        });
        answer.await
    }
}

fn request(body: &str) -> Request {
    let mut request = Request::of::<Wait>(Body::from(body.as_bytes().to_vec()));
    request.metadata_mut().insert("tenant", "acme");
    request.set_attempt(3);
    request
}

#[tokio::test]
async fn the_token_is_cancelled_when_the_call_is_dropped_but_not_when_it_is_answered() {
    let (tokens, mut received) = tokio::sync::mpsc::unbounded_channel();
    let service = Local::new(Waiter(tokens), Json);

    let response = service.call(request(r#"{"hang":false}"#)).await.unwrap();
    assert_eq!(response.body().as_bytes(), br#""acme""#);
    let answered = received.recv().await.unwrap();

    let mut call = Box::pin(service.call(request(r#"{"hang":true}"#)));
    assert!(futures_util::poll!(&mut call).is_pending());
    let dropped = received.recv().await.unwrap();
    assert!(!dropped.is_cancelled());
    drop(call);
    assert!(dropped.is_cancelled());
    assert!(!answered.is_cancelled());
}
