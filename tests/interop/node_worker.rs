//! A host in Rust with a worker in Node.js.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use isolated_workers::codec::Json;
use isolated_workers::driver::Output;
use isolated_workers::error::ExitReason;
use isolated_workers::host::{Builder, Timeouts};
use isolated_workers::protocol::{Body, Request, TxId};
use isolated_workers::transport::{UnixSocket, WorkerSocket};
use isolated_workers::{CallError, Error, ErrorKind, Program, Service, Worker};
use isolated_workers_test_support::{assert_error, soon};

use super::script;
use super::service::InteropClient;

/// Builder of a Node.js worker, or `None` if there is no `node`.
fn builder(how: &str) -> Option<Builder<Program, Json, WorkerSocket>> {
    let program = Program::new("node").arg(script("worker.mjs")?).arg(how);
    Some(Worker::builder(program).transport(UnixSocket::bound_by_worker()).without_handshake())
}

pub(super) type NodeWorker = Worker<isolated_workers::host::Link<Json>, WorkerSocket>;

async fn started() -> Option<(NodeWorker, InteropClient<NodeWorker>)> {
    let worker = soon(builder("")?.spawn()).await.unwrap();
    Some((worker.clone(), InteropClient::new(worker)))
}

#[tokio::test]
async fn calls_are_answered_and_the_end_of_the_connection_ends_the_worker() {
    let Some((worker, client)) = started().await else { return };
    assert_eq!(soon(client.add(5, 3)).await.unwrap(), 8);
    soon(client.nothing()).await.unwrap();
    soon(worker.close()).await.unwrap();
    assert_eq!(worker.closed().await, ExitReason::Exited(0));
}

/// The worker replies to oneway messages too. The host must not mistake such a reply for a request.
#[tokio::test]
async fn oneway_messages_arrive() {
    let Some((worker, client)) = started().await else { return };
    for line in ["one", "two"] {
        client.note(line.into()).await.unwrap();
    }
    // The replies to the oneway messages arrive before this one.
    soon(client.nothing()).await.unwrap();
    assert_eq!(soon(client.notes()).await.unwrap(), ["one", "two"]);
    soon(worker.close()).await.unwrap();
}

#[tokio::test]
async fn an_error_keeps_its_name_message_stack_and_code() {
    let Some((_worker, client)) = started().await else { return };
    let Err(CallError::Call(error)) = soon(client.boom()).await else { panic!("not a call error") };
    assert_error(&error, ErrorKind::Remote, &["the handler of `boom` failed: too much"]);
    let remote = error.remote_error().unwrap();
    assert_eq!((remote.name.as_str(), remote.message.as_str()), ("RangeError", "too much"));
    assert_eq!(remote.code.as_deref(), Some("E_MUCH"));
    assert!(remote.stack.as_ref().unwrap().contains("worker.mjs"), "{remote:?}");
}

async fn call_error(worker: &NodeWorker, name: &str) -> Error {
    soon(worker.call(Request::new(name.into(), Body::empty()))).await.unwrap_err()
}

#[tokio::test]
async fn thrown_strings_and_unknown_messages_are_remote_errors() {
    let Some((worker, _)) = started().await else { return };
    assert_error(&call_error(&worker, "text").await, ErrorKind::Remote, &["only a text"]);
    for name in ["nope", "toString"] {
        assert_error(
            &call_error(&worker, name).await,
            ErrorKind::Remote,
            &[&format!("Unknown message type: {name}")],
        );
    }
}

#[tokio::test]
async fn a_message_can_be_named_like_a_reply() {
    let Some((_worker, client)) = started().await else { return };
    assert_eq!(soon(client.get_result()).await.unwrap(), "getResult");
    assert_eq!(soon(client.foo_error()).await.unwrap(), "fooError");
}

#[tokio::test]
async fn any_string_works_as_an_id() {
    let count = AtomicUsize::new(0);
    let ids = move || {
        let ids = ["", "007", "C0FFEE", "a \"b\"\\\n\0ü😀"];
        TxId::from(ids[count.fetch_add(1, Ordering::Relaxed) % ids.len()])
    };
    let Some(builder) = builder("") else { return };
    let client = InteropClient::new(soon(builder.ids(ids).spawn()).await.unwrap());
    for number in 0..4 {
        assert_eq!(soon(client.add(number, 1)).await.unwrap(), number + 1);
    }
}

#[tokio::test]
async fn many_calls_run_concurrently() {
    let Some((_worker, client)) = started().await else { return };
    let calls = 500;
    let answers = soon(join_all((0..calls).map(|number| client.gather(calls, number)))).await;
    assert!(answers.into_iter().map(Result::unwrap).eq(0..calls));
}

#[tokio::test]
async fn split_characters_and_large_payloads_arrive_intact() {
    let Some((_worker, client)) = started().await else { return };
    for text in ["a € and a 😀".to_owned(), "ü".repeat(1 << 19)] {
        assert!(soon(client.echo(text.clone())).await.unwrap() == text);
    }
}

#[tokio::test]
async fn a_crash_reports_its_exit_code_and_last_output() {
    let Some((worker, client)) = started().await else { return };
    let error = soon(client.exit(7)).await.unwrap_err();
    assert_error(
        &error,
        ErrorKind::Crashed,
        &["exited with code 7 while `exit` was in flight", "requested by the test"],
    );
    assert_eq!(error.crash().unwrap().reason, ExitReason::Exited(7));
    assert_eq!(soon(worker.closed()).await, ExitReason::Exited(7));
}

#[tokio::test]
async fn a_failed_start_reports_its_cause() {
    let Some(failing) = builder("fail") else { return };
    let error = soon(failing.spawn()).await.unwrap_err();
    assert_error(&error, ErrorKind::Startup, &["exited with code 3 before it was ready", "no luck today"]);

    let no_script = Worker::builder(Program::new("node").arg("/no/such/script.mjs").stderr(Output::Keep))
        .transport(UnixSocket::bound_by_worker())
        .without_handshake();
    let error = soon(no_script.spawn()).await.unwrap_err();
    assert_error(
        &error,
        ErrorKind::Startup,
        &["exited with code 1 before it was ready", "/no/such/script.mjs"],
    );

    let never = builder("never").unwrap().timeouts(Timeouts::default().startup(Duration::from_millis(300)));
    let error = soon(never.spawn()).await.unwrap_err();
    assert_error(&error, ErrorKind::Startup, &["was not ready within 300ms and was killed"]);
}

#[tokio::test]
async fn the_socket_file_is_removed_with_the_worker() {
    let folder = tempfile::tempdir().unwrap();
    let Some(builder) = builder("") else { return };
    let transport = UnixSocket::bound_by_worker().at(folder.path().join("worker.sock"));
    let worker = soon(builder.transport(transport.clone()).spawn()).await.unwrap();
    worker.kill();
    soon(worker.closed()).await;
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_node_worker_can_take_part_in_the_handshake() {
    let Some(script) = script("worker.mjs") else { return };
    let greeting = |how: &str| {
        let program = Program::new("node").arg(&script).arg(how);
        Worker::builder(program).transport(UnixSocket::bound_by_worker()).spawn()
    };
    let worker = soon(greeting("greet")).await.unwrap();
    assert_eq!(soon(InteropClient::new(worker.clone()).add(2, 3)).await.unwrap(), 5);
    soon(worker.close()).await.unwrap();

    let error = soon(greeting("greet-wrongly")).await.unwrap_err();
    assert_error(
        &error,
        ErrorKind::Handshake,
        &["the protocol of this host is 1", "that of the worker is 99"],
    );
}

#[tokio::test]
async fn a_missing_handshake_is_reported_at_the_startup_timeout() {
    let Some(script) = script("worker.mjs") else { return };
    let worker = Worker::builder(Program::new("node").arg(&script))
        .transport(UnixSocket::bound_by_worker())
        .timeouts(Timeouts::default().startup(Duration::from_millis(500)));
    // The worker ignores lines without a `type`.
    let error = soon(worker.spawn()).await.unwrap_err();
    assert_error(&error, ErrorKind::Startup, &["was not ready within 500ms"]);
}
