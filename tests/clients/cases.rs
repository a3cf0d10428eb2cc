//! The host in Rust compared with the cases: a script in Python plays the worker.

use std::time::Duration;

use futures_util::{Stream, StreamExt, stream};
use isolated_workers::protocol::Request;
use isolated_workers::transport::SocketPair;
use isolated_workers::{CallError, Error, Program, Service, Worker};
use isolated_workers_test_support::soon;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::file;
use super::interpreters::has_python;
use super::service::{PeerClient, PeerHost};
use super::workers::Host;

/// Result of a call, in the form of the cases.
type Found = Map<String, Value>;

#[tokio::test]
async fn the_host_in_rust_sends_the_frames_of_the_cases() {
    if !has_python() {
        return;
    }
    let cases: Value = serde_json::from_slice(&std::fs::read(file("cases.json")).unwrap()).unwrap();
    let mut failed = Vec::new();
    for case in cases["host"].as_array().unwrap() {
        let (found, code) = soon(play(case)).await;
        if Value::from(found.clone()) != case["result"] || code == Some(99) {
            failed.push(format!(
                "{}: expected {}, found {found:?}, exit code {code:?}",
                case["name"], case["result"]
            ));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// Makes the call of a case. Returns its result, and the exit code of the script.
async fn play(case: &Value) -> (Found, Option<i32>) {
    let program = Program::new("python3").arg(file("conformance.py")).args(["replay", text(&case["name"])]);
    let builder = Worker::builder(program).transport(SocketPair);
    let timeout = case["call"]["timeout"].as_u64().map(Duration::from_millis);
    let spawned = match case.get("serve") {
        Some(_) => builder.serve(Host::default().into_service()).spawn().await,
        None => builder.spawn().await,
    };
    let mut found = Found::new();
    let worker = match spawned {
        Ok(worker) => worker,
        Err(error) => {
            found.insert("start".to_owned(), error.kind().code().into());
            return (found, None);
        }
    };
    let client = PeerClient::new(worker.clone());
    let (call, payload) = (&case["call"], &case["call"]["payload"]);
    let items = stream::iter(call["items"].as_array().cloned().unwrap_or_default());
    let numbers = items.map(|item| item.as_i64().unwrap());
    let number = |key: &str| payload[key].as_i64().unwrap();
    match text(&call["name"]) {
        "add" if timeout.is_some() => {
            let mut request = Request::new("add".into(), payload.to_string().into_bytes().into());
            request.set_timeout(timeout);
            unary(&mut found, case, worker.call(request).await.map(|_| ()));
        }
        "add" => unary(&mut found, case, client.add(number("a"), number("b")).await),
        "echo" => unary(&mut found, case, client.echo(text(&payload["text"]).to_owned()).await),
        "nothing" => unary(&mut found, case, client.nothing().await),
        "getResult" => unary(&mut found, case, client.get_result().await),
        "fooError" => unary(&mut found, case, client.foo_error().await),
        "total" => unary(&mut found, case, client.total(numbers).await),
        "double" => streaming(&mut found, case, client.double(numbers)).await,
        "texts" => {
            let texts =
                client.texts(number("count") as u32, number("size") as usize, payload["fails"] == true);
            let texts = texts.map(|text| {
                text.map_err(|error| match error {
                    CallError::Call(error) => error,
                    CallError::Service(_) => unreachable!("no case has such an error"),
                })
            });
            streaming(&mut found, case, texts).await;
        }
        unknown => panic!("no client for {unknown}"),
    }
    let _ = worker.close().await;
    let code = match worker.closed().await {
        isolated_workers::error::ExitReason::Exited(code) => Some(code),
        _ => None,
    };
    (found, code)
}

fn unary<T: Serialize>(found: &mut Found, case: &Value, result: Result<T, Error>) {
    match result {
        Ok(value) => drop(found.insert("value".to_owned(), json!(value))),
        Err(error) => failure(found, case, &error),
    }
}

async fn streaming<T: Serialize>(
    found: &mut Found,
    case: &Value,
    items: impl Stream<Item = Result<T, Error>>,
) {
    let mut items = std::pin::pin!(items);
    let mut taken = Vec::new();
    while let Some(item) = items.next().await {
        match item {
            Ok(item) => taken.push(json!(item)),
            Err(error) => failure(found, case, &error),
        }
    }
    match case["result"].get("count") {
        Some(_) => found.insert("count".to_owned(), taken.len().into()),
        None => found.insert("items".to_owned(), taken.into()),
    };
}

/// Records the parts of the error that the case compares.
fn failure(found: &mut Found, case: &Value, error: &Error) {
    let remote = error.remote_error();
    let crash = error.crash().map(|crash| crash.reason);
    let part = |key: &str| match key {
        // A worker that breaks the protocol is killed, and its end is the error.
        "code" if case["result"]["error"]["code"] == "IW_PROTOCOL" => {
            assert!(error.to_string().contains("protocol"), "{error}");
            json!("IW_PROTOCOL")
        }
        "code" => json!(remote.and_then(|remote| remote.code.as_deref()).unwrap_or(error.kind().code())),
        "message" => json!(remote.map_or_else(|| error.to_string(), |remote| remote.message.clone())),
        "name" => json!(remote.map(|remote| &remote.name)),
        "stack" => json!(remote.and_then(|remote| remote.stack.as_ref())),
        "chain" => json!(remote.map(|remote| &remote.chain)),
        "exit_code" => match crash {
            Some(isolated_workers::error::ExitReason::Exited(code)) => json!(code),
            _ => Value::Null,
        },
        "signal" => match crash {
            Some(isolated_workers::error::ExitReason::Signaled { signal, .. }) => json!(signal),
            _ => Value::Null,
        },
        unknown => panic!("unknown part {unknown}"),
    };
    let keys = case["result"]["error"].as_object().into_iter().flatten().map(|(key, _)| key.clone());
    let parts: Map<_, _> = keys.map(|key| (key.clone(), part(&key))).collect();
    let parts = if parts.is_empty() {
        Map::from_iter([("unexpected".to_owned(), error.to_string().into())])
    } else {
        parts
    };
    found.insert("error".to_owned(), parts.into());
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}
