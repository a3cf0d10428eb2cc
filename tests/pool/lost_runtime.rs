//! Pools whose supervisor is gone, because its runtime was shut down or because it panicked.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use isolated_workers::ErrorKind;
use isolated_workers::driver::{Driver, Launch, Process};
use isolated_workers::error::Executed;
use isolated_workers::host::{OnCrash, Timeouts};
use isolated_workers::pool::WorkerId;
use isolated_workers::transport::DefaultTransport;
use isolated_workers_test_support::process::PidFd;
use isolated_workers_test_support::{Fifo, HANG_TIMEOUT};
use tokio::runtime::{Builder, Handle};
use tokio::spawn;
use tokio::sync::oneshot;

use super::jobs::{JobsClient, jobs};
use super::script::Script;
use super::stage::Stage;
use super::*;

/// A runtime that another thread drives until it is dropped.
struct OtherRuntime {
    handle: Handle,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl OtherRuntime {
    fn new(is_multi_thread: bool) -> Self {
        let mut builder =
            if is_multi_thread { Builder::new_multi_thread() } else { Builder::new_current_thread() };
        let runtime = builder.worker_threads(2).enable_all().build().unwrap();
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let _ = runtime.block_on(stopped);
        });
        Self { handle, stop, thread }
    }

    fn both() -> [Self; 2] {
        [false, true].map(Self::new)
    }

    /// Builds a pool whose tasks run on this runtime, from the test's runtime.
    fn build(&self, builder: PoolBuilder) -> impl Future<Output = Result<Pool, Error>> + use<> {
        let handle = self.handle.clone();
        async move {
            let mut build = pin!(builder.spawn());
            soon(poll_fn(|cx| {
                let _entered = handle.enter();
                build.as_mut().poll(cx)
            }))
            .await
        }
    }

    /// Drops the runtime.
    fn stop(self) {
        let _ = self.stop.send(());
        self.thread.join().unwrap();
    }
}

/// Asserts that the error says that the pool's runtime is gone, and what to do.
#[track_caller]
fn assert_lost(error: &Error) {
    assert_eq!(error.kind(), ErrorKind::Closed, "{error}");
    for part in ["the runtime on which", "was shut down", "on a runtime that outlives its calls"] {
        assert!(error.to_string().contains(part), "{error}");
    }
}

/// Asserts that everything that can wait for the pool ends.
async fn assert_everything_ends(pool: &Pool, assert_is_why: impl Fn(&Error)) {
    for target in [pool.with_priority(0), pool.with_priority(1), pool.with_key(1), pool.on(WorkerId(0))] {
        let error = soon(JobsClient::new(target).echo(1)).await.unwrap_err();
        assert_is_why(&error);
        assert_eq!(error.executed(), Executed::No);
    }
    assert_is_why(&soon(JobsClient::new(pool.clone()).echo(1)).await.unwrap_err());
    assert_is_why(&soon(JobsClient::new(pool.boxed()).echo(1)).await.unwrap_err());
    let mut map = pool.map(0..3, |pool, number| async move { JobsClient::new(pool).echo(number).await });
    while let Some(result) = soon(map.next()).await {
        assert_is_why(&result.unwrap_err());
    }
    assert_eq!(map.progress().done, 3);
    assert!(soon(pool.broadcast(&jobs::Pid {})).await.is_empty(), "no worker is left");
    assert_is_why(&soon(pool.reload()).await.unwrap_err());
    soon(pool.drain()).await.unwrap();
    soon(pool.close()).await.unwrap();
    pool.kill();
    soon(pool.closed()).await;
    let stats = pool.stats();
    assert_eq!((stats.queued, pids(pool)), (0, vec![]));
    assert!(stats.workers.iter().all(|worker| worker.in_flight == 0), "{stats:?}");
}

fn assert_all_end(processes: &[PidFd]) {
    assert!(processes.iter().all(|process| process.ends_within(HANG_TIMEOUT)));
}

#[tokio::test]
async fn calls_end_when_the_runtime_of_their_pool_is_dropped() {
    for other in OtherRuntime::both() {
        let stage = Stage::new();
        let pool = other.build(pool(2).on_crash(OnCrash::retry(3))).await.unwrap();
        let processes: Vec<_> = pids(&pool).into_iter().map(PidFd::open).collect();
        let running = [spawn(stage.hold(pool.clone(), "a")), spawn(stage.hold_again(pool.clone(), "b"))];
        let _held = [stage.next().await, stage.next().await];
        let waiting = [spawn(stage.hold(pool.clone(), "c")), spawn(stage.hold_again(pool.with_key(1), "d"))];
        queued(&pool, 2).await;
        let reload = spawn({
            let pool = pool.clone();
            async move { pool.reload().await }
        });
        other.stop();
        for call in running {
            let error = soon(call).await.unwrap().unwrap_err();
            assert_eq!(error.executed(), Executed::Maybe, "{error}");
            assert_lost(&error);
        }
        for call in waiting {
            let error = soon(call).await.unwrap().unwrap_err();
            assert_eq!(error.executed(), Executed::No, "{error}");
            assert_lost(&error);
        }
        assert_lost(&soon(reload).await.unwrap().unwrap_err());
        assert_everything_ends(&pool, assert_lost).await;
        assert_all_end(&processes);
    }
}

#[tokio::test]
async fn a_pool_that_is_being_built_fails_when_the_runtime_is_dropped() {
    for other in OtherRuntime::both() {
        let (script, fifo) = (Script::new("unused"), Fifo::new());
        script.set(&format!("read line <{}", fifo.path()));
        let build = other.build(Pool::builder(Program::new(script.path())).workers(1));
        let lose = async {
            let _started = fifo.opened().await;
            other.stop();
        };
        assert_lost(&tokio::join!(build, lose).0.unwrap_err());
    }
}

#[tokio::test]
async fn calls_that_wait_for_a_worker_end_when_the_runtime_is_dropped() {
    for other in OtherRuntime::both() {
        // The pool waits before it replaces its worker.
        let backoff = Duration::from_secs(3600);
        let settings = pool(1).on_crash(OnCrash::respawn().backoff(backoff, backoff));
        let pool = other.build(settings).await.unwrap();
        let client = JobsClient::new(pool.clone());
        soon(client.abort()).await.unwrap_err();
        let call = spawn(async move { client.echo(1).await });
        queued(&pool, 1).await;
        other.stop();
        assert_lost(&soon(call).await.unwrap().unwrap_err());
        assert_everything_ends(&pool, assert_lost).await;
    }
    for other in OtherRuntime::both() {
        // The worker is starting.
        let (script, fifo) = (Script::new("unused"), Fifo::new());
        script.set(&format!("read line <{}", fifo.path()));
        let pool = other.build(Pool::builder(Program::new(script.path())).size(0..=1)).await.unwrap();
        let call = spawn(Stage::new().hold(pool.clone(), "call"));
        let _started = fifo.opened().await;
        other.stop();
        assert_lost(&soon(call).await.unwrap().unwrap_err());
        assert_everything_ends(&pool, assert_lost).await;
    }
}

#[tokio::test]
async fn a_pool_that_is_being_closed_ends_when_the_runtime_is_dropped() {
    for other in OtherRuntime::both() {
        let settings = pool(1).timeouts(Timeouts::default().close(Duration::from_secs(3600)));
        let pool = other.build(settings).await.unwrap();
        let processes: Vec<_> = pids(&pool).into_iter().map(PidFd::open).collect();
        let client = JobsClient::new(pool.clone());
        let stage = Stage::new();
        let _hanging = stage.hang(pool.clone()).await;
        let mut close = Box::pin(pool.close());
        assert!(futures_util::poll!(&mut close).is_pending());
        // The supervisor has begun to close the pool.
        assert_eq!(soon(client.echo(1)).await.unwrap_err().kind(), ErrorKind::Closed);
        other.stop();
        soon(close).await.unwrap();
        assert_all_end(&processes);
        // The supervisor may have learned of the lost worker before its runtime dropped it: the
        // pool is closed then.
        let is_closed = |error: &Error| error.to_string().contains("is closed or draining");
        assert_everything_ends(&pool, |error| {
            if !is_closed(error) {
                assert_lost(error)
            }
        })
        .await;
    }
}

/// Driver that panics if it starts a worker after the first.
#[derive(Debug, Default)]
struct StartsOne(AtomicBool);

impl Driver for StartsOne {
    type Transport = DefaultTransport;
    type Running = Process;

    fn subject(&self) -> String {
        "one".to_owned()
    }
    fn transport(&self) -> DefaultTransport {
        DefaultTransport
    }
    fn start(&self, launch: Launch) -> Result<Process, Error> {
        assert!(!self.0.swap(true, Ordering::SeqCst), "there is only one");
        Program::new(WORKER).start(launch)
    }
}

#[tokio::test]
async fn calls_end_when_the_supervisor_panics() {
    let pool = soon(Pool::builder(StartsOne::default()).workers(1).spawn()).await.unwrap();
    let client = JobsClient::new(pool.clone());
    soon(client.abort()).await.unwrap_err();
    let assert_panicked = |error: &Error| {
        assert_eq!(error.kind(), ErrorKind::Closed, "{error}");
        assert!(error.to_string().contains("its supervisor panicked"), "{error}");
    };
    assert_panicked(&soon(client.echo(1)).await.unwrap_err());
    assert_everything_ends(&pool, assert_panicked).await;

    // Calls that run in other workers, and the workers themselves, end too.
    let pool = soon(Pool::builder(StartsOne::default()).size(1..=2).spawn()).await.unwrap();
    let processes: Vec<_> = pids(&pool).into_iter().map(PidFd::open).collect();
    let stage = Stage::new();
    let call = spawn(stage.hold(pool.clone(), "call"));
    let _held = stage.next().await;
    assert_panicked(&soon(JobsClient::new(pool.clone()).echo(1)).await.unwrap_err());
    assert_panicked(&soon(call).await.unwrap().unwrap_err());
    assert_all_end(&processes);
    assert_everything_ends(&pool, assert_panicked).await;
}
