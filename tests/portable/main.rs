//! Tests that run on every system, including Windows. Only the module `windows_only` is
//! platform-specific.
//!
//! No test reads a process table. A process holds a TCP connection to its test. The connection ends
//! with the process.

mod lifecycle;
mod orphans;
mod reconnect;
mod service;
mod startup;
#[cfg(windows)]
mod windows_only;

use std::net::Ipv4Addr;
use std::time::Duration;

use isolated_workers::driver::Output;
use isolated_workers::host::Builder;
use isolated_workers::{Program, Worker};
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

/// Listener that processes connect to, so that the test detects their end.
struct Registry(TcpListener);

impl Registry {
    async fn new() -> Self {
        Self(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap())
    }

    fn port(&self) -> u16 {
        self.0.local_addr().unwrap().port()
    }

    /// Accepts the connection of the next process.
    async fn process(&self) -> HeldProcess {
        HeldProcess(soon(self.0.accept()).await.unwrap().0)
    }
}

/// Connection of a running process.
struct HeldProcess(TcpStream);

impl HeldProcess {
    /// Asserts that the process echoes a byte, which only a child of a worker does.
    async fn assert_echoes(&mut self) {
        soon(self.0.write_u8(7)).await.unwrap();
        assert_eq!(soon(self.0.read_u8()).await.unwrap(), 7);
    }

    /// Waits until the process has ended.
    async fn ended(mut self) {
        // A process may end with a clean end of file or with a reset.
        assert_eq!(soon(self.0.read(&mut [0])).await.unwrap_or(0), 0);
    }
}
