//! Faults injected into calls, on either side.

use std::time::Duration;

use futures_util::poll;
use isolated_workers::codec::{Cbor, Codec, Json, Postcard};
use isolated_workers::error::Executed;
use isolated_workers::layer::on_request;
use isolated_workers::protocol::{Request, Response, Schema};
use isolated_workers::service::{Handler, Local, handler};
use isolated_workers::testing::{Fault, Faults};
use isolated_workers::{Error, ErrorKind, ServiceExt};
use isolated_workers_test_support::soon;

use crate::support::service::DeskClient;
use crate::support::service::desk::{self, Add};
use crate::{desk, program};

struct Sum;

impl Handler for Sum {
    const SCHEMA: Schema = desk::SCHEMA;

    async fn handle<C: Codec>(&self, codec: &C, request: Request) -> Result<Response, Error> {
        handler::respond(codec, request, async |Add { a, b }| Ok(a + b)).await
    }
}

async fn garbled(codec: impl Codec) -> Error {
    let service = Local::new(Sum, codec).wrapped_by(Faults::in_order([Some(Fault::Garble)]));
    let desk = DeskClient::new(service);
    let error = desk.add(2, 3).await.unwrap_err();
    assert_eq!(desk.add(2, 3).await.unwrap(), 5, "the next call has no fault");
    error
}

#[tokio::test]
async fn a_garbled_reply_fails_to_decode_in_every_codec() {
    for error in [garbled(Json).await, garbled(Cbor).await, garbled(Postcard).await] {
        assert_eq!((error.kind(), error.executed()), (ErrorKind::Decode, Executed::Yes), "{error}");
    }
}

#[tokio::test]
async fn a_crash_fault_without_a_worker_is_only_an_error() {
    let desk = DeskClient::new(Local::new(Sum, Json).wrapped_by(Faults::in_order([Some(Fault::Crash)])));
    let error = desk.add(2, 3).await.unwrap_err();
    assert_eq!((error.kind(), error.executed()), (ErrorKind::Crashed, Executed::Maybe));
    assert_eq!(error.crash().unwrap().message.as_deref(), Some("add"));
    assert_eq!(desk.add(2, 3).await.unwrap(), 5);
}

#[tokio::test]
async fn a_crash_fault_in_a_worker_ends_the_process_and_the_call_is_retried() {
    let worker = program(&["faults", "crash"]).spawn().await.unwrap();
    let (first, desk) = (worker.pid(), DeskClient::new(worker.clone()));
    assert_eq!(soon(desk.describe(String::new())).await.unwrap().attempt, 2);
    assert_ne!(worker.pid(), first);
}

#[tokio::test]
async fn a_garble_fault_in_a_worker_fails_only_its_own_call() {
    let desk = desk(&["faults", "garble"]).await;
    assert_eq!(soon(desk.describe(String::new())).await.unwrap_err().kind(), ErrorKind::Decode);
    assert_eq!(soon(desk.add(2, 3)).await.unwrap(), 5);
}

/// Number of calls that the handler has seen after the fault.
async fn handled_after(fault: Fault) -> u32 {
    let faults = Faults::new(move |request| (request.name() == "describe").then_some(fault));
    let desk = DeskClient::new(program(&["plain"]).layer(faults).spawn().await.unwrap());
    let mut call = Box::pin(desk.describe(String::new()));
    assert!(poll!(&mut call).is_pending());
    let handled = soon(desk.described()).await.unwrap();
    assert!(poll!(&mut call).is_pending());
    handled
}

#[tokio::test]
async fn a_lost_request_does_not_run_and_a_lost_reply_did() {
    assert_eq!(handled_after(Fault::LoseRequest).await, 0);
    assert_eq!(handled_after(Fault::LoseReply).await, 1);
}

#[tokio::test]
async fn the_timeout_of_the_host_ends_a_call_whose_reply_is_lost() {
    let short = on_request(|request| {
        request.set_timeout(Some(Duration::from_millis(50)));
        Ok(())
    });
    let desk = DeskClient::new(program(&["faults", "lose-reply"]).layer(short).spawn().await.unwrap());
    assert_eq!(soon(desk.describe(String::new())).await.unwrap_err().kind(), ErrorKind::Timeout);
}

#[tokio::test]
async fn a_delayed_call_is_answered() {
    let delayed = Faults::in_order([Some(Fault::Delay(Duration::from_millis(1)))]);
    let desk = DeskClient::new(Local::new(Sum, Json).wrapped_by(delayed));
    assert_eq!(soon(desk.add(2, 3)).await.unwrap(), 5);
}
