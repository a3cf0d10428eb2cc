//! Kills workers under load, and accounts for every call.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use isolated_workers::ErrorKind;
use isolated_workers::error::Executed;
use isolated_workers::host::OnCrash;
use isolated_workers_test_support::count_from_env;

use super::jobs::JobsClient;
use super::*;

/// Time during which a worker is killed every 50 ms.
fn kill_duration() -> Duration {
    Duration::from_secs(count_from_env("ISOLATED_WORKERS_CHAOS", 3))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_is_lost_doubled_or_swapped_while_workers_are_killed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal").display().to_string();
    let builder = pool(4)
        .max_in_flight(2)
        .restart_limit(u32::MAX, Duration::from_secs(1))
        .spawn_rate(1000, Duration::from_secs(1))
        .on_crash(OnCrash::respawn().backoff(Duration::ZERO, Duration::ZERO));
    let pool = started(builder).await;
    let (is_over, next) = (AtomicBool::new(false), AtomicU64::new(0));
    let load = join_all((0..24).map(|caller| {
        let (path, is_over, next, pool) = (&path, &is_over, &next, &pool);
        async move {
            let mut outcomes = Vec::new();
            while !is_over.load(Ordering::Relaxed) {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let is_once = number % 2 == 0;
                let client = JobsClient::new(pool.with_priority((number % 3) as i32));
                let keyed = JobsClient::new(pool.with_key(caller));
                let call = async {
                    match (is_once, number % 5 == 0) {
                        (true, false) => client.once(path.clone(), number).await,
                        (true, true) => keyed.once(path.clone(), number).await,
                        (false, false) => client.again(path.clone(), number).await,
                        (false, true) => keyed.again(path.clone(), number).await,
                    }
                };
                outcomes.push((number, is_once, soon(call).await));
            }
            outcomes
        }
    }));
    let kills = async {
        let end = Instant::now() + kill_duration();
        let mut kills = 0;
        let mut beat = tokio::time::interval(Duration::from_millis(50));
        while Instant::now() < end {
            beat.tick().await;
            if let Some(pid) = pids(&pool).get(kills % 4) {
                kill(*pid);
                kills += 1;
            }
        }
        is_over.store(true, Ordering::Relaxed);
        kills
    };
    let (outcomes, kills) = tokio::join!(load, kills);
    soon(pool.drain()).await.unwrap();

    let mut runs = HashMap::<u64, u32>::new();
    for line in std::fs::read_to_string(&path).unwrap().lines() {
        *runs.entry(line.parse().unwrap()).or_default() += 1;
    }
    let (mut answered, mut failed) = (0, 0);
    for (number, is_once, outcome) in outcomes.into_iter().flatten() {
        let ran = runs.get(&number).copied().unwrap_or(0);
        assert!(!is_once || ran <= 1, "{number} ran {ran} times");
        match outcome {
            Ok(answer) => {
                assert_eq!(answer, number, "the call got another call's reply");
                assert!(ran >= 1, "{number} got a reply and did not run");
                answered += 1;
            }
            Err(error) => {
                assert!(is_once, "a call that can be retried failed: {error:?}");
                assert_eq!(
                    (error.kind(), error.executed()),
                    (ErrorKind::Crashed, Executed::Maybe),
                    "{error:?}"
                );
                failed += 1;
            }
        }
    }
    println!(
        "{kills} kills, {answered} calls answered, {failed} failed, {} runs",
        runs.values().sum::<u32>()
    );
    assert!(kills > 20 && answered > 100 && failed > 0);
}
