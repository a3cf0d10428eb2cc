//! Streams between two processes, of which one is killed or leaves.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::{FutureExt, TryStreamExt, poll, stream};
use isolated_workers::codec::Postcard;
use isolated_workers::driver::{Attach, Output};
use isolated_workers::error::Executed;
use isolated_workers::host::OnCrash;
use isolated_workers::{Error, ErrorKind, Program, Worker};
use isolated_workers_test_support::process::{PidFd, kill};
use isolated_workers_test_support::{HANG_TIMEOUT, soon};
use rustix::process::Signal;
use tokio::io::AsyncWriteExt;

use crate::services::NumbersClient;
use crate::steps::{OpenCall, Step, reach};

const WORKER: &str = env!("CARGO_BIN_EXE_streams-worker");

async fn started() -> Worker {
    // Output that goes through a host would prevent a detach.
    let program = Program::new(WORKER).stdout(Output::Discard).stderr(Output::Discard);
    soon(Worker::builder(program).spawn()).await.unwrap()
}

/// Waits until a call fails. `taken` items were taken before. Returns the text of its error.
async fn failed(call: OpenCall<'_>, taken: u64) -> (Option<ErrorKind>, String) {
    let mut items = match call {
        OpenCall::Sends(call) => return (None, soon(call).await),
        OpenCall::Items(items) => items,
    };
    let mut left = 0;
    let error: Error = loop {
        match soon(items.next()).await.expect("the stream has ended without an error") {
            Ok(_) => left += 1,
            Err(error) => break error,
        }
    };
    assert!(soon(items.next()).await.is_none());
    let reported = taken + left;
    if reported > 0 {
        assert_eq!(error.items(), Some(reported), "{error}");
        let noun = if reported == 1 { "item" } else { "items" };
        assert!(error.to_string().contains(&format!("{reported} {noun}")), "{error}");
        assert_eq!(error.executed(), Executed::Maybe);
    }
    (Some(error.kind()), format!("{:?}: {error}", error.kind()))
}

#[tokio::test]
async fn each_item_that_takes_long_to_compute_is_sent_before_the_next_one() {
    let worker = started().await;
    let numbers = NumbersClient::new(worker.clone());
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let mut items = numbers.compute(listener.local_addr().unwrap().port());
    assert_eq!(soon(items.next()).await.unwrap().unwrap(), 0);
    let (mut handler, _) = soon(listener.accept()).await.unwrap();
    handler.write_all(&[0]).await.unwrap();
    assert_eq!(soon(items.next()).await.unwrap().unwrap(), 1);
    let error = soon(items.next()).await.unwrap().unwrap_err();
    assert_eq!((error.kind(), error.items()), (ErrorKind::Crashed, Some(2)), "{error}");
}

#[tokio::test]
async fn a_worker_that_is_killed_at_any_step_of_a_stream_is_one_error() {
    for step in Step::ALL {
        let worker = started().await;
        let numbers = NumbersClient::new(worker.clone());
        let call = soon(reach(&numbers, step)).await;
        kill(worker.pid());
        let (_, text) = failed(call, step.taken()).await;
        assert!(text.starts_with("Crashed: ") && text.contains("SIGKILL"), "{step:?}: {text}");
        soon(worker.closed()).await;
    }
}

#[test]
fn a_worker_whose_host_is_killed_at_any_step_of_a_stream_ends() {
    for step in 0..Step::ALL.len() {
        let mut host =
            Command::new(WORKER).args(["host", &step.to_string()]).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(host.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let worker = PidFd::open(line.trim().parse().unwrap());
        host.kill().unwrap();
        host.wait().unwrap();
        assert!(worker.ends_within(HANG_TIMEOUT), "{:?}: the worker outlived its host", Step::ALL[step]);
    }
}

#[tokio::test]
async fn a_worker_that_is_closed_at_any_step_of_a_stream_is_one_error() {
    for step in Step::ALL {
        let worker = started().await;
        let numbers = NumbersClient::new(worker.clone());
        let call = soon(reach(&numbers, step)).await;
        soon(worker.close()).await.unwrap();
        let (_, text) = failed(call, step.taken()).await;
        assert!(text.starts_with("Closed: "), "{step:?}: {text}");
    }
}

#[tokio::test]
async fn streams_end_with_an_error_when_their_worker_is_detached_or_disconnected() {
    for step in Step::ALL {
        let worker = started().await;
        let numbers = NumbersClient::new(worker.clone());
        let call = soon(reach(&numbers, step)).await;
        soon(worker.disconnect()).await.unwrap();
        let (_, text) = failed(call, step.taken()).await;
        assert!(text.starts_with("Closed: "), "{step:?}: {text}");
        soon(worker.reconnect()).await.unwrap();

        let call = soon(reach(&numbers, step)).await;
        let address = soon(worker.detach()).await.unwrap();
        let (_, text) = failed(call, step.taken()).await;
        assert!(text.starts_with("Closed: "), "{step:?}: {text}");
        let again = soon(Worker::builder(Attach::new(address)).spawn()).await.unwrap();
        let numbers = NumbersClient::new(again.clone());
        let counted: Vec<_> = soon(numbers.count(10_000).try_collect()).await.unwrap();
        assert!(counted.into_iter().eq(0..10_000), "{step:?}");
        soon(again.close()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn streams_lose_no_items_while_workers_are_stopped_and_succeeded() {
    const STOPS: usize = 20;
    const ITEMS: u64 = 5000;
    let program = Program::new(WORKER).stdout(Output::Discard).stderr(Output::Discard);
    let builder =
        Worker::builder(program).on_crash(OnCrash::respawn().backoff(Duration::ZERO, Duration::ZERO));
    let worker = soon(builder.spawn()).await.unwrap();
    let has_stopped = Arc::new(AtomicBool::new(false));
    let callers: Vec<_> = (0..4)
        .map(|_| {
            let (numbers, has_stopped) = (NumbersClient::new(worker.clone()), Arc::clone(&has_stopped));
            tokio::spawn(async move {
                while !has_stopped.load(Ordering::Relaxed) {
                    let passed: Result<Vec<_>, _> = numbers.pass(stream::iter(0..ITEMS)).try_collect().await;
                    if let Some(passed) = completed(passed) {
                        assert!(passed.into_iter().eq(0..ITEMS));
                    }
                    if let Some(sum) = completed(numbers.sum(0, stream::iter(0..ITEMS)).await) {
                        assert_eq!(sum, (0..ITEMS).sum::<u64>());
                    }
                }
            })
        })
        .collect();
    let numbers = NumbersClient::new(worker.clone());
    for _ in 0..STOPS {
        let old = worker.pid();
        PidFd::open(old).signal(Signal::TERM);
        // The successor has another process.
        soon(async {
            while worker.pid() == old || completed(numbers.add(1, 1).await).is_none() {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
    has_stopped.store(true, Ordering::Relaxed);
    for caller in callers {
        soon(caller).await.unwrap();
    }
    soon(worker.close()).await.unwrap();
}

#[tokio::test]
async fn items_that_were_taken_after_their_worker_was_succeeded_give_their_credit_back() {
    const ITEMS: u32 = 20;
    let program = Program::new(WORKER).arg("postcard").stdout(Output::Discard).stderr(Output::Discard);
    let worker = soon(Worker::builder(program).codec(Postcard).on_crash(OnCrash::respawn()).spawn());
    let worker = worker.await.unwrap();
    let numbers = NumbersClient::new(worker.clone());
    // Three items exceed the credit. The worker answers after it has sent them.
    let mut blobs = numbers.blobs(ITEMS, 100_000);
    assert!(poll!(blobs.next().boxed_local()).is_pending());
    assert_eq!(soon(numbers.add(2, 3)).await.unwrap(), 5);
    soon(blobs.next()).await.unwrap().unwrap();

    let old = worker.pid();
    PidFd::open(old).signal(Signal::TERM);
    soon(async {
        while worker.pid() == old || completed(numbers.add(1, 1).await).is_none() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let rest: Vec<_> = soon(blobs.try_collect()).await.unwrap();
    assert_eq!(rest.len() as u32, ITEMS - 1);
    soon(worker.close()).await.unwrap();
}

/// Result of a call. `None` if it was not run, because it crossed the stop of its worker.
fn completed<T>(result: Result<T, Error>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(error) if error.executed() == Executed::No => None,
        Err(error) => panic!("{error}"),
    }
}
