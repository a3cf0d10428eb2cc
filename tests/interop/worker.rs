//! Worker for a host in Node.js. Nothing here depends on Node.js. The argument `postcard` selects
//! another codec.

mod service;

use std::sync::Mutex;

use futures_util::{Stream, StreamExt, stream};
use isolated_workers::codec::Postcard;
use isolated_workers::service::Streaming;
use isolated_workers::{Error, is_worker, serve};
use service::{Boom, Interop};
use tokio::sync::watch;

#[derive(Default)]
struct Worker {
    was_cancelled: watch::Sender<bool>,
    notes: Mutex<Vec<String>>,
    gathered: watch::Sender<usize>,
}

impl Interop for Worker {
    async fn add(&self, a: i64, b: i64) -> i64 {
        a + b
    }
    async fn echo(&self, text: String) -> String {
        text
    }
    async fn nothing(&self) {}
    async fn note(&self, line: String) {
        self.notes.lock().unwrap().push(line);
    }
    async fn notes(&self) -> Vec<String> {
        self.notes.lock().unwrap().clone()
    }
    async fn gather(&self, calls: usize, number: usize) -> usize {
        let mut gathered = self.gathered.subscribe();
        self.gathered.send_modify(|count| *count += 1);
        gathered.wait_for(|count| *count >= calls).await.unwrap();
        number
    }
    async fn boom(&self) -> Result<(), Boom> {
        Err(Boom { size: 3 })
    }
    async fn get_result(&self) -> String {
        "getResult".to_owned()
    }
    async fn foo_error(&self) -> String {
        "fooError".to_owned()
    }
    async fn exit(&self, code: i32) {
        std::process::exit(code)
    }
    fn texts(&self, count: u32, size: usize, fails: bool) -> impl Stream<Item = Result<String, Boom>> {
        let texts = stream::iter((0..count).map(move |_| Ok("ü".repeat(size))));
        texts.chain(stream::iter(fails.then_some(Err(Boom { size: count }))))
    }
    async fn total(&self, mut numbers: Streaming<u64>) -> u64 {
        let cancelled = Cancelled(self.was_cancelled.clone());
        let mut total = 0;
        while let Some(Ok(number)) = numbers.next().await {
            total += number;
        }
        std::mem::forget(cancelled);
        total
    }
    fn double(&self, numbers: Streaming<u64>) -> impl Stream<Item = u64> {
        numbers.map(|number| 2 * number.expect("the caller is there"))
    }
    fn endless(&self) -> impl Stream<Item = u64> {
        let cancelled = Cancelled(self.was_cancelled.clone());
        stream::iter(0..).inspect(move |_| {
            let _ = &cancelled;
        })
    }
    async fn wait_for_cancel(&self) {
        self.was_cancelled.subscribe().wait_for(|&was| was).await.unwrap();
    }
}

/// Tells that a call was cancelled, when it is dropped.
struct Cancelled(watch::Sender<bool>);

impl Drop for Cancelled {
    fn drop(&mut self) {
        self.0.send_replace(true);
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    if !is_worker() {
        eprintln!("this process is not a worker");
    }
    let worker = Worker::default().into_service();
    match std::env::args().nth(1).as_deref() {
        Some("postcard") => serve(worker).codec(Postcard).await,
        _ => serve(worker).await,
    }
}
