//! What is to hold on Windows as it does elsewhere; all but the module `windows` runs on every system.
//!
//! How a process ended is asked of nobody's process table: it holds a connection to the test, which ends with it.

mod lifecycle;
mod orphans;
mod reconnect;
mod service;
mod startup;
#[cfg(windows)]
mod windows_only;

use std::net::Ipv4Addr;
use std::time::Duration;

use isolated_workers::{Builder, Output, Program, Worker};
use isolated_workers_test_support::soon;
use service::{Chores, ChoresClient};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const WORKER: &str = env!("CARGO_BIN_EXE_portable-worker");

fn worker() -> Builder {
    Worker::builder(Program::new(WORKER).stdout(Output::Discard))
}

async fn started() -> (Worker, ChoresClient<Worker>) {
    let worker = soon(worker().spawn()).await.unwrap();
    let client = ChoresClient::new(worker.clone());
    (worker, client)
}

/// Where processes are waited for.
struct Registry(TcpListener);

impl Registry {
    async fn new() -> Self {
        Self(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap())
    }

    fn port(&self) -> u16 {
        self.0.local_addr().unwrap().port()
    }

    /// The next process that holds on to this.
    async fn process(&self) -> Held {
        Held(soon(self.0.accept()).await.unwrap().0)
    }
}

/// A process that runs.
struct Held(TcpStream);

impl Held {
    /// QueueStats for an answer, which only a child of a worker gives.
    async fn answers(&mut self) {
        soon(self.0.write_u8(7)).await.unwrap();
        assert_eq!(soon(self.0.read_u8()).await.unwrap(), 7);
    }

    /// QueueStats for its end.
    async fn ended(mut self) {
        // The end of a process may or may not be that of an orderly stream.
        assert_eq!(soon(self.0.read(&mut [0])).await.unwrap_or(0), 0);
    }
}
