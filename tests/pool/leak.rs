//! Workers that end leave no resources behind. Each test runs in its own process, because other
//! tests open files too.

use std::time::Duration;

use isolated_workers::host::Status;
use isolated_workers::testing::conformance::alone;
use isolated_workers_test_support::process::{children, descriptors, resident_kib};
use isolated_workers_test_support::{block_on, count_from_env};

use super::jobs::JobsClient;
use super::stage::Stage;
use super::*;

/// Number of workers to recycle: 200 in CI. Set `ISOLATED_WORKERS_RECYCLED=10000` for a long run.
fn workers() -> u64 {
    count_from_env("ISOLATED_WORKERS_RECYCLED", 200)
}

#[test]
fn recycled_workers_leak_no_descriptors_memory_or_processes() {
    alone(concat!(module_path!(), "::recycled_workers_leak_no_descriptors_memory_or_processes"), || {
        block_on(recycle());
    });
}

async fn recycle() {
    let pool = started(pool(2).recycle_after(1).spawn_rate(u32::MAX, Duration::from_secs(1))).await;
    let client = JobsClient::new(pool.clone());
    let recycle = async |until: u64| {
        while pool.stats().restarts() < until {
            soon(client.echo(1)).await.unwrap();
        }
        super::until(&pool, |stats| stats.workers.iter().all(|worker| worker.retiring == 0)).await;
    };
    // One-time allocations happen with the first workers.
    recycle(20).await;
    let (before, memory) = (descriptors(), resident_kib());
    recycle(20 + workers()).await;
    println!(
        "{} workers recycled: descriptors {before} -> {}, memory {memory} -> {} KiB",
        pool.stats().restarts(),
        descriptors(),
        resident_kib()
    );
    // A worker may be starting now.
    assert!(descriptors() <= before + 8, "{} descriptors, {before} before", descriptors());
    assert!(resident_kib() < memory + (4 << 10), "{} KiB, {memory} before", resident_kib());
    soon(pool.close()).await.unwrap();
    assert_eq!(children(), Vec::<u32>::new());
}

#[test]
fn idle_workers_that_ended_leak_no_descriptors() {
    alone(concat!(module_path!(), "::idle_workers_that_ended_leak_no_descriptors"), || {
        block_on(come_and_go());
    });
}

async fn come_and_go() {
    let builder = pool(1).size(0..=3).idle_timeout(Duration::from_millis(50));
    let (pool, stage) = (started(builder).await, Stage::new());
    let rounds = async |workers: usize| {
        let calls: Vec<_> = (0..workers).map(|_| tokio::spawn(stage.hold(pool.clone(), "call"))).collect();
        let mut held = Vec::new();
        for _ in 0..workers {
            held.push(stage.next().await);
        }
        drop(held);
        for call in calls {
            soon(call).await.unwrap().unwrap();
        }
        until(&pool, |stats| {
            stats.workers.iter().all(|worker| worker.status == Status::Closed && worker.retiring == 0)
        })
        .await;
        descriptors()
    };
    let before = rounds(1).await;
    assert_eq!(rounds(3).await, before);
}
