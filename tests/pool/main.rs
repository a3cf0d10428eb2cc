//! Pools of workers: which call runs where and when, and what becomes of it when workers end.

mod chaos;
mod crash;
mod dispatch;
mod jobs;
mod leak;
mod life;
mod map;
mod queue;
mod recycle;
mod stage;

use isolated_workers::{Error, Pool, PoolBuilder, Program, Stats};
use isolated_workers_test_support::process::kill;
use isolated_workers_test_support::soon;

const WORKER: &str = env!("CARGO_BIN_EXE_pool-worker");

fn pool(workers: usize) -> PoolBuilder {
    Pool::builder(Program::new(WORKER)).workers(workers)
}

async fn started(builder: PoolBuilder) -> Pool {
    soon(builder.spawn()).await.unwrap()
}

/// QueueStats until the pool is as `is_so` says.
async fn until(pool: &Pool, is_so: impl Fn(&Stats) -> bool) {
    soon(pool.watch().wait_for(|_| is_so(&pool.stats()))).await.unwrap();
}

/// QueueStats until so many calls are in the queue: nothing tells of that but the pool itself, once the callers have run.
async fn queued(pool: &Pool, calls: usize) {
    soon(async {
        while pool.stats().queued != calls {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

fn pids(pool: &Pool) -> Vec<u32> {
    pool.stats().workers.iter().filter_map(|worker| worker.pid).collect()
}

fn last_line(error: &Error) -> String {
    error.to_string().lines().next_back().unwrap_or_default().to_owned()
}
