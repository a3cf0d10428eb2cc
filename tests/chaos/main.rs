//! Eight workers under load, one of which is killed every 50 ms. No call may be lost, answered
//! twice, get the reply of another call, or run more often than its message allows.
//!
//! `ISOLATED_WORKERS_CHAOS` sets the duration in seconds; the default is four.

mod service;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use isolated_workers::codec::Postcard;
use isolated_workers::error::Executed;
use isolated_workers::host::{Link, OnCrash};
use isolated_workers::testing::conformance::alone;
use isolated_workers::transport::DefaultTransport;
use isolated_workers::{Error, ErrorKind, Program, Worker};
use isolated_workers_test_support::{count_from_env, process::PidFd};
use rustix::process::Signal;
use service::{ChaosClient, reply};

const WORKERS: usize = 8;
const CALLERS_PER_WORKER: usize = 6;
const KILL_INTERVAL: Duration = Duration::from_millis(50);
const MAX_ATTEMPTS: u32 = 100;

type ChaosWorker = Worker<Link<Postcard>, DefaultTransport>;

/// Outcome of a call, as its caller saw it.
enum Outcome {
    Answered,
    Failed(Executed),
    /// Sent as a oneway message.
    Sent,
}

struct Seen {
    call: u64,
    may_repeat: bool,
    outcome: Outcome,
}

#[test]
fn kills_under_load_never_lose_duplicate_or_swap_a_call() {
    alone(concat!(module_path!(), "::kills_under_load_never_lose_duplicate_or_swap_a_call"), || {
        let seconds = count_from_env("ISOLATED_WORKERS_CHAOS", 4);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        runtime.unwrap().block_on(chaos(Duration::from_secs(seconds)));
    });
}

async fn chaos(length: Duration) {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("journal");
    std::fs::write(&journal, "").unwrap();
    let mut workers = Vec::new();
    for _ in 0..WORKERS {
        workers.push(started(&journal).await);
    }
    let over = Arc::new(AtomicBool::new(false));
    let next = Arc::new(AtomicU64::new(0));
    let callers: Vec<_> = workers
        .iter()
        .flat_map(|worker| std::iter::repeat_n(worker, CALLERS_PER_WORKER))
        .map(|worker| {
            tokio::spawn(call(ChaosClient::new(worker.clone()), Arc::clone(&next), Arc::clone(&over)))
        })
        .collect();

    let mut kills = 0;
    let end = tokio::time::Instant::now() + length;
    let mut clock = tokio::time::interval(KILL_INTERVAL);
    while tokio::time::Instant::now() < end {
        clock.tick().await;
        kills += usize::from(kill(&workers[kills % WORKERS]));
    }
    over.store(true, Ordering::Relaxed);
    let mut seen = Vec::new();
    for caller in callers {
        seen.extend(caller.await.unwrap());
    }
    for worker in &workers {
        worker.drain().await.unwrap();
    }
    check(&seen, &journal);
    println!("{} calls, {kills} kills", seen.len());
    // Too few kills or calls would test nothing.
    assert!(kills > 10 && seen.len() > 1000, "{} calls, {kills} kills", seen.len());
}

async fn started(journal: &Path) -> ChaosWorker {
    let program = Program::new(env!("CARGO_BIN_EXE_chaos-worker")).arg(journal);
    let policy = OnCrash::retry(MAX_ATTEMPTS - 1).backoff(Duration::from_millis(1), Duration::from_millis(5));
    Worker::builder(program).codec(Postcard).on_crash(policy).spawn().await.unwrap()
}

/// Kills the current process of the worker, unless it is being replaced.
fn kill(worker: &ChaosWorker) -> bool {
    let pid = worker.pid();
    let Some(process) = PidFd::try_open(pid) else { return false };
    // If the process had ended before the pidfd was opened, the worker would have another pid or
    // none.
    worker.pid() == pid && worker.is_active() && process.try_signal(Signal::KILL).is_ok()
}

async fn call(client: ChaosClient<ChaosWorker>, next: Arc<AtomicU64>, over: Arc<AtomicBool>) -> Vec<Seen> {
    let mut seen = Vec::new();
    while !over.load(Ordering::Relaxed) {
        let call = next.fetch_add(1, Ordering::Relaxed);
        let (may_repeat, result) = match call % 8 {
            0..4 => (false, client.once(call).await),
            4..6 => (true, client.again(call).await),
            6 => (true, client.slowly(call).await),
            _ => {
                let outcome = match client.tell(call).await {
                    Ok(()) => Outcome::Sent,
                    Err(error) => failed(&error),
                };
                seen.push(Seen { call, may_repeat: false, outcome });
                continue;
            }
        };
        let outcome = match result {
            Ok(text) => {
                assert_eq!(text, reply(call), "the reply of another call");
                Outcome::Answered
            }
            Err(error) => failed(&error),
        };
        seen.push(Seen { call, may_repeat, outcome });
    }
    seen
}

fn failed(error: &Error) -> Outcome {
    assert_eq!(error.kind(), ErrorKind::Crashed, "{error}");
    Outcome::Failed(error.executed())
}

fn check(seen: &[Seen], journal: &Path) {
    let mut runs: HashMap<u64, usize> = HashMap::new();
    for line in std::fs::read_to_string(journal).unwrap().lines() {
        *runs.entry(line.parse().unwrap()).or_default() += 1;
    }
    for Seen { call, may_repeat, outcome } in seen {
        let runs = runs.remove(call).unwrap_or(0);
        assert!(*may_repeat || runs <= 1, "call {call} ran {runs} times but may run once");
        match outcome {
            Outcome::Answered => assert!(runs >= 1, "call {call} was answered but never ran"),
            Outcome::Failed(Executed::No) => {
                assert_eq!(runs, 0, "call {call} ran although its error says that it did not")
            }
            Outcome::Failed(_) => assert!(!may_repeat, "call {call} was not retried although it may be"),
            Outcome::Sent => {}
        }
    }
    assert!(runs.is_empty(), "calls ran that no caller made: {runs:?}");
}
