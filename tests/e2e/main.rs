//! Host and worker in two processes, and everything that can go wrong between them.

mod blocking;
mod budgets;
mod calls;
mod close;
mod crash;
mod drain;
mod drops;
mod faults;
mod group;
mod hang;
mod host_faults;
mod life;
mod offsets;
mod orphan;
mod output;
mod panics;
mod pressure;
mod process;
mod program;
mod reconnect;
mod respawn;
mod signals;
mod startup;
mod startup_data;
mod transports;
mod upstream;

use std::time::Duration;

use faults::FaultsClient;
use isolated_workers::{Builder, Limits, Link, Postcard, Program, Worker};
use life::LifeClient;

const WORKER: &str = env!("CARGO_BIN_EXE_e2e-worker");

/// The worker that tells of its own side.
const LIFE: &str = env!("CARGO_BIN_EXE_life-worker");

/// Long enough that only what would hang reaches it.
const PATIENCE: Duration = Duration::from_secs(20);

fn worker() -> Builder {
    Worker::builder(Program::new(WORKER)).limits(Limits::default().frame(256 << 20))
}

async fn started() -> (Worker, FaultsClient<Worker>) {
    let worker = worker().spawn().await.unwrap();
    let client = FaultsClient::new(worker.clone());
    (worker, client)
}

/// One whose codec makes bytes of bytes: for tests with many of them.
async fn started_binary() -> (Worker<Link<Postcard>>, FaultsClient<Worker<Link<Postcard>>>) {
    let worker = Worker::builder(Program::new(WORKER).arg("postcard")).codec(Postcard).spawn().await.unwrap();
    let client = FaultsClient::new(worker.clone());
    (worker, client)
}

/// Fails a test that hangs, and says where.
async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("this hangs")
}

/// QueueStats until `calls` handlers are waiting in the worker: asking is the only way to know, and each answer is an
/// event.
async fn waiting(client: &FaultsClient<Worker>, calls: usize) {
    soon(async { while client.waiting().await.unwrap() != calls {} }).await;
}

/// A worker that lives as `how` says.
fn living(how: &str) -> Builder {
    Worker::builder(Program::new(LIFE).arg(how))
}

/// A pipe with a name. Whoever reads it waits until this side has written and closed it.
struct Pipe(tempfile::TempDir);

impl Pipe {
    fn new() -> Self {
        let pipe = Self(tempfile::tempdir().unwrap());
        let made = std::process::Command::new("mkfifo").arg(pipe.path()).status().unwrap();
        assert!(made.success());
        pipe
    }

    fn path(&self) -> String {
        self.0.path().join("pipe").display().to_string()
    }

    /// Returns when somebody reads it.
    async fn opened(&self) -> std::fs::File {
        let path = self.path();
        let open = tokio::task::spawn_blocking(|| std::fs::File::options().write(true).open(path));
        soon(open).await.unwrap().unwrap()
    }
}
