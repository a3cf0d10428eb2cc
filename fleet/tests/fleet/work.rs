//! Service of the tests.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_nats::Client;
use futures_util::Stream;
use isolated_workers::codec::Json;
use isolated_workers::prelude::*;
use isolated_workers::service::{Context, Local};
use isolated_workers_nats::{self as nats, Machine, Remote};
use tokio::sync::Notify;

use crate::server::Server;

#[service]
pub(crate) trait Work {
    #[message(idempotent)]
    async fn square(&self, number: u64) -> u64;
    /// Appends the number to a journal. Must not run twice.
    async fn record(&self, journal: String, number: u64) -> Result<u64, String>;
    async fn divide(&self, a: u64, b: u64) -> Result<u64, String>;
    async fn crash(&self);
    /// Name of the machine.
    async fn name(&self) -> String;
    async fn echo(&self, bytes: Vec<u8>) -> Vec<u8>;
    async fn zeros(&self, bytes: usize) -> Vec<u8>;
    /// Metadata `tenant`, and the deadline in milliseconds.
    async fn context(&self, context: Context) -> (Option<String>, Option<u64>);
    /// Never ends. Sets `waiting`, and `dropped` when it is cancelled.
    async fn wait(&self) -> u64;
    #[message(oneway)]
    async fn note(&self);
    fn count(&self, to: u64) -> impl Stream<Item = u64>;
}

/// State that tests look at.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) waiting: AtomicUsize,
    pub(crate) changed: Notify,
    /// Ends `wait`.
    pub(crate) release: Notify,
    pub(crate) noted: AtomicUsize,
}

impl State {
    /// Waits until this many calls of `wait` run.
    pub(crate) async fn waiting(&self, calls: usize) {
        loop {
            let changed = self.changed.notified();
            if self.waiting.load(Ordering::SeqCst) == calls {
                return;
            }
            changed.await;
        }
    }

    /// Waits until this many messages were noted.
    pub(crate) async fn noted(&self, messages: usize) {
        loop {
            let changed = self.changed.notified();
            if self.noted.load(Ordering::SeqCst) == messages {
                return;
            }
            changed.await;
        }
    }
}

#[derive(Clone, Default)]
pub(crate) struct Worker {
    pub(crate) name: String,
    pub(crate) state: Arc<State>,
}

impl Work for Worker {
    async fn square(&self, number: u64) -> u64 {
        number * number
    }

    async fn record(&self, journal: String, number: u64) -> Result<u64, String> {
        let file = std::fs::OpenOptions::new().create(true).append(true).open(journal);
        // One write of one line: lines of several processes do not mix.
        file.and_then(|mut file| file.write_all(format!("{number}\n").as_bytes()))
            .map_err(|error| error.to_string())?;
        Ok(number)
    }

    async fn divide(&self, a: u64, b: u64) -> Result<u64, String> {
        a.checked_div(b).ok_or_else(|| "division by zero".to_owned())
    }

    async fn crash(&self) {
        panic!("a handler that panics")
    }

    async fn name(&self) -> String {
        self.name.clone()
    }

    async fn echo(&self, bytes: Vec<u8>) -> Vec<u8> {
        bytes
    }

    async fn zeros(&self, bytes: usize) -> Vec<u8> {
        vec![0; bytes]
    }

    async fn context(&self, context: Context) -> (Option<String>, Option<u64>) {
        let left =
            context.deadline().map(|deadline| deadline.saturating_duration_since(std::time::Instant::now()));
        let tenant = context.metadata().get("tenant").map(str::to_owned);
        (tenant, left.and_then(|left| u64::try_from(left.as_millis()).ok()))
    }

    async fn wait(&self) -> u64 {
        struct Waiting<'a>(&'a State);
        impl Drop for Waiting<'_> {
            fn drop(&mut self) {
                self.0.waiting.fetch_sub(1, Ordering::SeqCst);
                self.0.changed.notify_waiters();
            }
        }
        let released = self.state.release.notified();
        self.state.waiting.fetch_add(1, Ordering::SeqCst);
        self.state.changed.notify_waiters();
        let _waiting = Waiting(&self.state);
        released.await;
        7
    }

    async fn note(&self) {
        self.state.noted.fetch_add(1, Ordering::SeqCst);
        self.state.changed.notify_waiters();
    }

    fn count(&self, to: u64) -> impl Stream<Item = u64> {
        futures_util::stream::iter(0..to)
    }
}

/// Limit for every wait of a test.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Server for a test. `None`, with a line that says so, if there is no program.
pub(crate) async fn server() -> Option<Server> {
    let server = Server::start().await;
    if server.is_none() {
        println!("skipped: there is no nats-server; run .ci/fleet");
    }
    server
}

pub(crate) async fn connect(server: &Server) -> Client {
    async_nats::connect(server.url()).await.unwrap()
}

/// Serves the fleet `test` for `calls` at once.
pub(crate) async fn machine(client: &Client, name: &str, calls: usize) -> (Machine, Arc<State>) {
    let worker = Worker { name: name.to_owned(), state: Arc::default() };
    let state = Arc::clone(&worker.state);
    let service = Local::new(worker.into_service(), Json);
    let machine = nats::serve(service, client.clone(), "test").service(work::SCHEMA).max_in_flight(calls);
    (machine.await.unwrap(), state)
}

pub(crate) async fn remote(client: &Client) -> Remote {
    Remote::connect(client.clone(), "test").await.unwrap()
}
