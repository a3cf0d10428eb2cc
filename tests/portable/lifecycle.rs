use std::sync::atomic::{AtomicU32, Ordering};

use futures_util::future::join_all;
use isolated_workers::driver::Thread;
use isolated_workers::error::ExitReason;
use isolated_workers::host::Timeouts;
use isolated_workers::{CallError, ErrorKind, serve};
use isolated_workers_test_support::KILLED;

use super::service::ByZero;
use super::*;

#[tokio::test]
async fn calls_and_errors_are_typed() {
    let (worker, client) = started().await;
    assert_eq!(client.add(2, 3).await.unwrap(), 5);
    assert_eq!(client.divide(7, 2).await.unwrap(), 3);
    assert!(matches!(client.divide(1, 0).await, Err(CallError::Service(ByZero))));
    soon(worker.close()).await.unwrap();
    assert_eq!(soon(worker.closed()).await, ExitReason::Exited(0));
}

#[tokio::test]
async fn many_calls_run_concurrently() {
    let (_worker, client) = started().await;
    let numbers = soon(join_all((0..300).map(|number| client.meet(number)))).await;
    let numbers: Vec<_> = numbers.into_iter().map(Result::unwrap).collect();
    assert_eq!(numbers, (0..300).collect::<Vec<_>>());
}

#[tokio::test]
async fn large_bodies_travel_in_both_directions_at_once() {
    let (_worker, client) = started().await;
    let texts: Vec<_> = ["a", "ü"].map(|text| text.repeat(2 << 20)).into();
    let echoes = soon(join_all(texts.iter().map(|text| client.echo(text.clone())))).await;
    for (echo, text) in echoes.into_iter().zip(texts) {
        assert!(echo.unwrap() == text);
    }
}

#[tokio::test]
async fn printed_output_is_never_read_as_a_frame() {
    let worker = soon(Worker::builder(Program::new(WORKER)).spawn()).await.unwrap();
    let client = ChoresClient::new(worker.clone());
    for turn in 0..5 {
        let text = "{\"type\":\"add\"}\n".repeat(turn);
        let (printed, sum) = soon(async { tokio::join!(client.print(text), client.add(1, 1)) }).await;
        printed.unwrap();
        assert_eq!(sum.unwrap(), 2);
    }
    soon(worker.close()).await.unwrap();
}

#[tokio::test]
async fn a_crash_reports_its_exit_code_and_the_last_output() {
    let (worker, client) = started().await;
    let (meeting, exit) = soon(async { tokio::join!(client.meet(1), client.exit(42)) }).await;
    for error in [meeting.unwrap_err(), exit.unwrap_err()] {
        assert_eq!(error.kind(), ErrorKind::Crashed);
        let crash = error.crash().unwrap();
        assert_eq!((crash.reason, &*crash.stderr), (ExitReason::Exited(42), "requested by the test"));
        assert_eq!(crash.pid, Some(worker.pid()));
    }
    assert_eq!(soon(worker.closed()).await, ExitReason::Exited(42));
    assert!(!worker.is_active());
}

#[tokio::test]
async fn kill_ends_a_busy_loop() {
    let registry = Registry::new().await;
    let (worker, client) = started().await;
    let kill = async {
        let process = registry.process().await;
        worker.kill();
        assert_eq!(worker.closed().await, KILLED);
        process.ended().await;
    };
    let (spun, ()) = soon(async { tokio::join!(client.hold_and_spin(registry.port()), kill) }).await;
    assert_eq!(spun.unwrap_err().kind(), ErrorKind::Closed);
}

#[tokio::test]
async fn close_ends_a_busy_loop_after_the_grace_period() {
    let registry = Registry::new().await;
    let timeouts = Timeouts::default().close(Duration::from_millis(50));
    let worker = soon(worker().timeouts(timeouts).spawn()).await.unwrap();
    let client = ChoresClient::new(worker.clone());
    let close = async {
        let process = registry.process().await;
        assert_eq!(worker.close().await.unwrap_err().kind(), ErrorKind::Closed);
        process.ended().await;
    };
    let (spun, ()) = soon(async { tokio::join!(client.hold_and_spin(registry.port()), close) }).await;
    assert_eq!(spun.unwrap_err().kind(), ErrorKind::Closed);
}

#[tokio::test]
async fn killing_a_worker_kills_its_children() {
    let registry = Registry::new().await;
    let (worker, client) = started().await;
    client.start_child(registry.port()).await.unwrap();
    let child = registry.process().await;
    worker.kill();
    assert_eq!(soon(worker.closed()).await, KILLED);
    child.ended().await;
}

#[tokio::test]
async fn dropping_all_handles_ends_the_worker() {
    let registry = Registry::new().await;
    let (worker, client) = started().await;
    client.hold(registry.port()).await.unwrap();
    let process = registry.process().await;
    drop((worker, client));
    process.ended().await;
}

#[tokio::test]
async fn a_child_of_a_worker_is_not_a_worker() {
    let (_worker, client) = started().await;
    assert_eq!(soon(client.is_worker()).await.unwrap(), (true, false));
}

#[tokio::test]
async fn workers_start_and_close_repeatedly() {
    for round in 0..30 {
        let (worker, client) = started().await;
        assert_eq!(client.add(round, 1).await.unwrap(), round + 1);
        soon(worker.close()).await.unwrap();
        assert_eq!(soon(worker.closed()).await, ExitReason::Exited(0));
    }
}

#[tokio::test]
async fn many_workers_start_concurrently() {
    let workers = soon(join_all((0..16).map(|_| worker().spawn()))).await;
    for worker in workers {
        let worker = worker.unwrap();
        assert_eq!(ChoresClient::new(&worker).add(1, 1).await.unwrap(), 2);
        soon(worker.close()).await.unwrap();
    }
}

/// Service for a thread: the methods that make sense there, and a counter of calls.
struct ThreadChores(AtomicU32);

impl Chores for ThreadChores {
    async fn add(&self, a: i64, b: i64) -> i64 {
        self.0.fetch_add(1, Ordering::Relaxed);
        a + b
    }
    async fn divide(&self, a: i64, b: i64) -> Result<i64, ByZero> {
        a.checked_div(b).ok_or(ByZero)
    }
    async fn echo(&self, text: String) -> String {
        text
    }
    async fn meet(&self, _: u32) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
    async fn count(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
    async fn print(&self, _: String) {}
    async fn exit(&self, _: i32) {
        panic!("requested by the test")
    }
    async fn abort(&self) {}
    async fn hold(&self, _: u16) {}
    async fn hold_and_spin(&self, _: u16) {
        std::future::pending().await
    }
    async fn start_child(&self, _: u16) -> u32 {
        0
    }
    async fn is_worker(&self) -> (bool, bool) {
        (isolated_workers::is_worker(), false)
    }
}

#[tokio::test]
async fn a_thread_worker_answers_calls() {
    for _ in 0..30 {
        let thread = Thread::new(|| async { serve(ThreadChores(AtomicU32::new(0)).into_service()).await });
        let worker = soon(Worker::builder(thread).spawn()).await.unwrap();
        let client = ChoresClient::new(&worker);
        let sums = soon(join_all((0..50).map(|number| client.add(number, 1)))).await;
        assert!(sums.into_iter().map(Result::unwrap).eq(1..51));
        assert!(matches!(client.divide(1, 0).await, Err(CallError::Service(ByZero))));
        assert_eq!(client.meet(0).await.unwrap(), 50);
        soon(worker.close()).await.unwrap();
        assert_eq!(soon(worker.closed()).await, ExitReason::Exited(0));
    }
}
