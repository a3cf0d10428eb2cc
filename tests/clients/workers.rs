//! A host in Rust with workers in Python and Node.js, over the default transport.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use futures_util::{Stream, TryStreamExt, stream};
use isolated_workers::error::ExitReason;
use isolated_workers::host::Timeouts;
use isolated_workers::{CallError, Error, ErrorKind, Program, Service, Worker};
use isolated_workers_test_support::{KILLED, assert_error, soon};
use serde_json::json;
use tokio::sync::watch;

use super::interpreters::{Language, has_python};
use super::service::{Boom, PeerClient, PeerHost};

#[derive(Default)]
pub(super) struct Host {
    pub(super) was_cancelled: watch::Sender<bool>,
}

impl PeerHost for Host {
    async fn step(&self, done: i64, _of: i64) -> i64 {
        done
    }
    fn numbers(&self, count: i64) -> impl Stream<Item = i64> {
        stream::iter(0..count)
    }
    async fn never(&self) {
        struct Cancelled<'a>(&'a watch::Sender<bool>);
        impl Drop for Cancelled<'_> {
            fn drop(&mut self) {
                self.0.send_replace(true);
            }
        }
        let _cancelled = Cancelled(&self.was_cancelled);
        std::future::pending().await
    }
}

macro_rules! for_each_language {
    ($($test:ident)*) => {
        mod python {$(
            #[tokio::test]
            async fn $test() {
                if let Some(program) = super::Language::Python.worker() {
                    super::$test(program).await;
                }
            }
        )*}
        mod node {$(
            #[tokio::test]
            async fn $test() {
                if let Some(program) = super::Language::Node.worker() {
                    super::$test(program).await;
                }
            }
        )*}
    };
}

for_each_language! {
    calls_are_answered
    errors_keep_their_parts
    streams_work_in_both_directions_under_credit
    callbacks_belong_to_their_call
    a_timeout_cancels_the_handler
    a_crash_reports_its_exit_code_and_last_output
    a_worker_drains
    startup_data_arrive_and_can_be_refused
}

async fn client(program: Program) -> PeerClient<impl Service> {
    PeerClient::new(
        soon(Worker::builder(program).serve(Host::default().into_service()).spawn()).await.unwrap(),
    )
}

async fn calls_are_answered(program: Program) {
    let client = client(program).await;
    // Beyond 53 bits.
    assert_eq!(soon(client.add(1 << 61, 1)).await.unwrap(), (1 << 61) + 1);
    assert_eq!(soon(client.add_blocking(-5, 3)).await.unwrap(), -2);
    assert_eq!(
        soon(client.invert(Bytes::from_static(&[0, 97, 255]))).await.unwrap(),
        [255, 158, 0].as_slice()
    );
    let value = json!([u64::MAX, i64::MIN, 1.5, null, {"a": "ü😀\0"}]);
    assert_eq!(soon(client.value(Some(value.clone()))).await.unwrap(), Some(value));
    for text in ["a € and a 😀".to_owned(), "ü".repeat(1 << 19)] {
        assert!(soon(client.echo(text.clone())).await.unwrap() == text);
    }
    let answers = soon(join_all((0..200).map(|number| client.gather(200, number)))).await;
    assert!(answers.into_iter().map(Result::unwrap).eq(0..200));
    // It prints.
    soon(client.nothing()).await.unwrap();
    for line in ["one", "two"] {
        client.note(line.to_owned()).await.unwrap();
    }
    assert_eq!(soon(client.wait_for_note("two".to_owned())).await.unwrap(), ["one", "two"]);
    assert_eq!(soon(client.get_result()).await.unwrap(), "getResult");
    assert_eq!(soon(client.foo_error()).await.unwrap(), "fooError");
}

async fn errors_keep_their_parts(program: Program) {
    let client = client(program).await;
    let Err(CallError::Service(boom)) = soon(client.boom()).await else {
        panic!("not the error of the service")
    };
    assert_eq!(boom, Boom { size: 3 });
    assert_error(&soon(client.unsendable()).await.unwrap_err(), ErrorKind::Encode, &["unsendable"]);
}

async fn streams_work_in_both_directions_under_credit(program: Program) {
    let client = client(program).await;
    for (count, size) in [(0, 0), (1, 1), (10_000, 1), (20, 100_000), (3, 1 << 20)] {
        let texts: Vec<String> = soon(client.texts(count, size, false).try_collect()).await.unwrap();
        assert_eq!(texts.len(), count as usize);
        assert!(texts.iter().all(|text| *text == "ü".repeat(size)));
    }
    for end in [0, 1, 10_000] {
        assert_eq!(soon(client.total(stream::iter(0..end))).await.unwrap(), (0..end).sum::<i64>());
        assert_eq!(soon(client.total_blocking(stream::iter(0..end))).await.unwrap(), (0..end).sum::<i64>());
        let doubled: Vec<i64> = soon(client.double(stream::iter(0..end)).try_collect()).await.unwrap();
        assert!(doubled.into_iter().eq((0..end).map(|number| 2 * number)));
    }
    let mut texts = client.texts(1, 3, true);
    assert_eq!(soon(texts.next()).await.unwrap().unwrap(), "üüü");
    let Some(Err(CallError::Service(boom))) = soon(texts.next()).await else { panic!("no error") };
    assert_eq!(boom, Boom { size: 1 });
    // Nobody takes the items, and other calls go on.
    let mut endless = client.endless();
    assert_eq!(soon(endless.next()).await.unwrap().unwrap(), 0);
    assert_eq!(soon(client.add(2, 3)).await.unwrap(), 5);
    drop(endless);
    soon(client.wait_for_cancel()).await.unwrap();
}

async fn callbacks_belong_to_their_call(program: Program) {
    let host = Host::default();
    let mut was_cancelled = host.was_cancelled.subscribe();
    let worker = soon(Worker::builder(program).serve(host.into_service()).spawn()).await.unwrap();
    let client = PeerClient::new(worker);
    assert_eq!(soon(client.ask(3)).await.unwrap(), 6);
    assert_eq!(soon(client.ask_blocking(3)).await.unwrap(), 6);
    assert_eq!(soon(client.ask_stream(1000)).await.unwrap(), 499_500);
    let mut call = Box::pin(client.ask_forever());
    tokio::select! {
        answer = &mut call => panic!("{answer:?}"),
        sum = client.ask(1) => assert_eq!(sum.unwrap(), 1),
    }
    drop(call);
    soon(was_cancelled.wait_for(|&was| was)).await.unwrap();
}

async fn a_timeout_cancels_the_handler(program: Program) {
    let builder = Worker::builder(program).timeouts(Timeouts::default().message(Duration::from_secs(5)));
    let client = PeerClient::new(soon(builder.spawn()).await.unwrap());
    let mut request =
        isolated_workers::protocol::Request::new("hang".into(), isolated_workers::protocol::Body::empty());
    request.set_timeout(Some(Duration::from_millis(100)));
    let error = soon(client.service().call(request)).await.unwrap_err();
    assert_error(&error, ErrorKind::Timeout, &["it was not answered within 100ms"]);
    soon(client.wait_for_cancel()).await.unwrap();
}

async fn a_crash_reports_its_exit_code_and_last_output(program: Program) {
    let worker = soon(Worker::builder(program.clone()).spawn()).await.unwrap();
    let error = soon(PeerClient::new(worker.clone()).exit(7)).await.unwrap_err();
    let texts = ["exited with code 7 while `exit` was in flight", "requested by the test"];
    assert_error(&error, ErrorKind::Crashed, &texts);
    assert_eq!(soon(worker.closed()).await, ExitReason::Exited(7));
    let worker = soon(Worker::builder(program).spawn()).await.unwrap();
    worker.kill();
    assert_eq!(soon(worker.closed()).await, KILLED);
}

async fn a_worker_drains(program: Program) {
    let worker = soon(Worker::builder(program).spawn()).await.unwrap();
    let client = PeerClient::new(worker.clone());
    let (answer, drained) = soon(async { tokio::join!(client.wait(100), worker.drain()) }).await;
    assert_eq!(answer.unwrap(), "waited");
    drained.unwrap();
    assert_eq!(soon(worker.closed()).await, ExitReason::Exited(0));
}

async fn startup_data_arrive_and_can_be_refused(program: Program) {
    let builder = Worker::builder(program.clone()).startup_data(json!({"key": 1}));
    let client = PeerClient::new(soon(builder.spawn()).await.unwrap());
    assert_eq!(soon(client.started()).await.unwrap(), Some(json!({"key": 1})));
    let error: Error = soon(Worker::builder(program).startup_data("refuse").spawn()).await.unwrap_err();
    assert_error(&error, ErrorKind::Startup, &["this key is refused"]);
}

#[tokio::test]
async fn a_missing_module_is_named_by_the_error_of_the_start() {
    if !has_python() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("worker.py");
    std::fs::write(&script, "import no_such_module\n").unwrap();
    let error = soon(Worker::builder(Program::python(script)).spawn()).await.unwrap_err();
    let module = "ModuleNotFoundError: No module named 'no_such_module'";
    assert_error(&error, ErrorKind::Startup, &["exited with code 1 before it was ready", module]);
}
