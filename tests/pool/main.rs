//! Pools of workers: dispatch, queueing, crashes, recycling and shutdown.

mod chaos;
mod checkout;
mod crash;
mod dispatch;
mod given_up;
mod hung;
mod jobs;
mod leak;
mod leaving;
mod lost_runtime;
mod map;
mod queue;
mod recycle;
mod script;
mod settings;
mod shutdown;
mod spare;
mod stage;
mod starting;
mod stats;
mod streams;
mod unpolled;
mod unsent;

use isolated_workers::pool::{PoolBuilder, Stats};
use isolated_workers::{Error, Pool, Program};
use isolated_workers_test_support::process::kill;
use isolated_workers_test_support::{HANG_TIMEOUT, assert_error, block_on_thread, soon};

const WORKER: &str = env!("CARGO_BIN_EXE_pool-worker");

fn pool(workers: usize) -> PoolBuilder {
    Pool::builder(Program::new(WORKER)).workers(workers)
}

async fn started(builder: PoolBuilder) -> Pool {
    soon(builder.spawn()).await.unwrap()
}

/// Waits until `condition` holds.
async fn until(pool: &Pool, condition: impl Fn(&Stats) -> bool) {
    soon(pool.watch().wait_for(|_| condition(&pool.stats()))).await.unwrap();
}

/// Waits until the queue has this number of calls. Polls, because the pool sends no notification
/// about its queue.
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
