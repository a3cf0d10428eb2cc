//! Long run: machines are killed each second and the server is restarted twice.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use isolated_workers::error::Executed;
use isolated_workers::layer::Retry;
use isolated_workers::prelude::*;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::machine_process::MachineProcess;
use crate::work::{WorkClient, connect, remote, server};

/// Number of idempotent calls.
const CALLS: u64 = 100_000;
/// Callers of idempotent calls at once.
const CALLERS: u64 = 32;
/// Callers of calls that must not run twice.
const RECORDERS: u64 = 8;
const MACHINES: usize = 3;

#[derive(Default)]
struct Results {
    recorded: Vec<u64>,
    not_run: Vec<u64>,
    unknown: u64,
    longest_failure: Duration,
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes: cargo test --release --test fleet proof -- --ignored --nocapture"]
async fn machines_are_killed_each_second_and_no_call_is_lost_swapped_or_run_twice() {
    let Some(mut server) = server().await else { return };
    let url = server.url();
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("journal").to_str().unwrap().to_owned();
    let retry =
        || Retry::new(100).backoff(Duration::from_millis(10), Duration::from_millis(200)).unbudgeted();
    let plain = remote(&connect(&server).await).await;
    let (fleet, once) = (WorkClient::new(plain.clone().wrapped_by(retry())), WorkClient::new(plain));

    let mut machines = Vec::new();
    for number in 0..MACHINES {
        machines.push(MachineProcess::start(&url, &number.to_string()).await);
    }
    let (next, swapped, lost) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let done = AtomicBool::new(false);
    let results = Mutex::new(Results::default());
    let began = Instant::now();

    let callers = join_all((0..CALLERS).map(async |_| {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= CALLS {
                return;
            }
            match fleet.square(number).await {
                Ok(square) if square == number * number => {}
                Ok(_) => drop(swapped.fetch_add(1, Ordering::Relaxed)),
                Err(error) => {
                    println!("lost: {error}");
                    lost.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    }));
    let callers = async {
        callers.await;
        done.store(true, Ordering::Relaxed);
    };

    let recorded = AtomicU64::new(0);
    let recorders = join_all((0..RECORDERS).map(async |_| {
        while !done.load(Ordering::Relaxed) {
            let number = recorded.fetch_add(1, Ordering::Relaxed);
            let started = Instant::now();
            match once.record(journal.clone(), number).await {
                Ok(_) => results.lock().await.recorded.push(number),
                Err(CallError::Call(error)) => {
                    let mut results = results.lock().await;
                    results.longest_failure = results.longest_failure.max(started.elapsed());
                    match error.executed() {
                        Executed::No => results.not_run.push(number),
                        _ => results.unknown += 1,
                    }
                }
                Err(CallError::Service(error)) => panic!("{error}"),
            }
        }
    }));

    let disturbed = async {
        let (mut kills, mut restarts) = (0_usize, 0_u64);
        let mut second = tokio::time::interval(Duration::from_secs(1));
        while !done.load(Ordering::Relaxed) {
            second.tick().await;
            if next.load(Ordering::Relaxed) > (restarts + 1) * CALLS / 3 && restarts < 2 {
                server.restart().await;
                restarts += 1;
                println!("restarted the server after {:?}", began.elapsed());
            }
            let place = kills % MACHINES;
            machines[place].kill().await;
            machines[place] = MachineProcess::start(&url, &kills.to_string()).await;
            kills += 1;
        }
        (kills, restarts)
    };
    let ((), _, (kills, restarts)) = futures_util::join!(callers, recorders, disturbed);
    let took = began.elapsed();

    let results = results.into_inner();
    let text = std::fs::read_to_string(&journal).unwrap_or_default();
    let mut runs: HashMap<u64, u32> = HashMap::new();
    for line in text.lines() {
        *runs.entry(line.parse().unwrap()).or_default() += 1;
    }
    let twice = runs.values().filter(|count| **count > 1).count();
    let missing = results.recorded.iter().filter(|number| !runs.contains_key(number)).count();
    let ran_though_no = results.not_run.iter().filter(|number| runs.contains_key(number)).count();
    println!(
        "{CALLS} idempotent calls in {took:?}, {kills} machines killed, {restarts} restarts of the server: {} lost, {} \
         swapped",
        lost.load(Ordering::Relaxed),
        swapped.load(Ordering::Relaxed)
    );
    println!(
        "{} calls that must not run twice: {} answered, {} unknown, {} not run; {twice} ran twice, {missing} answered \
         and not in the journal, {ran_though_no} in the journal though not run; longest failed call {:?}",
        recorded.load(Ordering::Relaxed),
        results.recorded.len(),
        results.unknown,
        results.not_run.len(),
        results.longest_failure
    );
    assert_eq!((lost.into_inner(), swapped.into_inner(), twice, missing, ran_though_no), (0, 0, 0, 0, 0));
    assert!(results.longest_failure <= Duration::from_secs(4), "{:?}", results.longest_failure);
    assert_eq!(restarts, 2);
}
