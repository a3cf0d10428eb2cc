//! Host and worker in two processes, and the failures that can occur between them.

mod backpressure;
mod blocking_calls;
mod boxed;
mod calls;
mod close;
mod close_ladder;
mod crash;
mod death_at_each_byte;
mod decode_limits;
mod detach;
mod drain;
mod dropped_calls;
mod events;
mod flood_frames;
mod floods;
mod forbidden_signals;
mod frozen;
mod hang_detection;
mod held_transport;
mod leaving;
mod misbehaving_host;
mod node_regressions;
mod orphans;
mod output;
mod panics;
mod process_group;
mod program;
mod reconnect;
mod remote;
mod respawn;
mod runtime_dropped;
mod runtimes;
mod services {
    pub(crate) mod faults;
    pub(crate) mod life;
}
mod scratch_dir;
mod signals;
mod startup;
mod startup_data;
mod status_changes;
mod strangers;
mod transports;
mod wakers;

use std::time::Duration;

use isolated_workers::codec::Postcard;
use isolated_workers::host::{Builder, Link};
use isolated_workers::protocol::Limits;
use isolated_workers::{Program, Service, Worker};
use isolated_workers_test_support::{HANG_TIMEOUT, soon};
use services::faults::FaultsClient;
use services::life::LifeClient;

/// Program that serves `Faults`.
const WORKER: &str = env!("CARGO_BIN_EXE_e2e-worker");

/// Program that serves `Life`.
const LIFE_WORKER: &str = env!("CARGO_BIN_EXE_life-worker");

/// Builder of a `Faults` worker that accepts large frames.
fn worker() -> Builder {
    Worker::builder(Program::new(WORKER)).limits(Limits::default().frame(256 << 20))
}

async fn started() -> (Worker, FaultsClient<Worker>) {
    let worker = worker().spawn().await.unwrap();
    let client = FaultsClient::new(worker.clone());
    (worker, client)
}

/// Starts a worker whose codec writes bytes as they are, for tests with large bodies.
async fn started_binary() -> (Worker<Link<Postcard>>, FaultsClient<Worker<Link<Postcard>>>) {
    let worker = Worker::builder(Program::new(WORKER).arg("postcard")).codec(Postcard).spawn().await.unwrap();
    let client = FaultsClient::new(worker.clone());
    (worker, client)
}

/// Builder of a `Life` worker that serves in the given way.
fn life_worker(how: &str) -> Builder {
    Worker::builder(Program::new(LIFE_WORKER).arg(how))
}

/// Polls until exactly `calls` handlers wait in the worker. Each answer is an event, so no timer is
/// needed.
async fn until_waiting<S: Service>(client: &FaultsClient<S>, calls: usize) {
    soon(async { while client.waiting().await.unwrap() != calls {} }).await;
}

/// Opens these gates, each as soon as a call waits at it.
async fn release<S: Service>(client: &FaultsClient<S>, keys: impl IntoIterator<Item = u32>) {
    for key in keys {
        soon(async { while !client.release(key).await.unwrap() {} }).await;
    }
}
