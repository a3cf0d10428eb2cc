//! Worker in Rust for hosts in Python and Node.js, and for the cases of `clients/cases.json`.

mod service;

use std::io::Write;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use isolated_workers::codec::Json;
use isolated_workers::service::{Context, Streaming};
use isolated_workers::{Error, serve, serve_with};
use serde_json::Value;
use service::{About, Boom, Peer, PeerHostClient, Unsendable};
use tokio::sync::watch;

#[derive(Default)]
struct Worker {
    startup: Option<Value>,
    was_cancelled: watch::Sender<bool>,
    notes: watch::Sender<Vec<String>>,
    gathered: watch::Sender<usize>,
    journal: Mutex<Option<std::fs::File>>,
}

impl Peer for Worker {
    async fn add(&self, a: i64, b: i64) -> i64 {
        a + b
    }
    async fn add_blocking(&self, a: i64, b: i64) -> i64 {
        a + b
    }
    async fn echo(&self, text: String) -> String {
        text
    }
    async fn value(&self, value: Option<Value>) -> Option<Value> {
        value
    }
    async fn invert(&self, content: Bytes) -> Bytes {
        content.iter().map(|byte| !byte).collect()
    }
    async fn nothing(&self) {
        println!("This is printed, and harmless.");
    }
    async fn note(&self, line: String) {
        self.notes.send_modify(|notes| notes.push(line));
    }
    async fn notes(&self) -> Vec<String> {
        self.notes.borrow().clone()
    }
    async fn clear(&self) {
        self.notes.send_modify(Vec::clear);
    }
    async fn wait_for_note(&self, line: String) -> Vec<String> {
        let mut notes = self.notes.subscribe();
        notes.wait_for(|notes| notes.contains(&line)).await.unwrap().clone()
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
        eprintln!("requested by the test");
        std::process::exit(code)
    }
    fn texts(&self, count: u32, size: usize, fails: bool) -> impl Stream<Item = Result<String, Boom>> {
        let texts = stream::iter((0..count).map(move |_| Ok("ü".repeat(size))));
        texts.chain(stream::iter(fails.then_some(Err(Boom { size: count }))))
    }
    fn countdown(&self, start: u32) -> impl Stream<Item = u32> {
        stream::iter((1..=start).rev())
    }
    async fn total(&self, mut numbers: Streaming<i64>) -> i64 {
        let cancelled = Cancelled(self.was_cancelled.clone());
        let mut total = 0;
        while let Some(Ok(number)) = numbers.next().await {
            total += number;
        }
        std::mem::forget(cancelled);
        total
    }
    async fn total_blocking(&self, numbers: Streaming<i64>) -> i64 {
        numbers.try_fold(0, async |total, number| Ok(total + number)).await.unwrap_or_default()
    }
    fn double(&self, numbers: Streaming<i64>) -> impl Stream<Item = i64> {
        numbers.map(|number| 2 * number.unwrap_or_default())
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
    async fn hang(&self) {
        let _cancelled = Cancelled(self.was_cancelled.clone());
        std::future::pending().await
    }
    async fn hang_with_items(&self, _items: Streaming<Value>) {
        std::future::pending().await
    }
    async fn first(&self, mut items: Streaming<Value>) -> Value {
        items.next().await.and_then(Result::ok).unwrap_or_default()
    }
    async fn count_items(&self, items: Streaming<Option<Value>>) -> u32 {
        items.try_fold(0, async |count, _| Ok(count + 1)).await.unwrap_or_default()
    }
    async fn long(&self, size: usize) -> String {
        "x".repeat(size)
    }
    async fn unsendable(&self) -> Unsendable {
        Unsendable
    }
    async fn wait(&self, ms: u64) -> String {
        tokio::time::sleep(Duration::from_millis(ms)).await;
        "waited".to_owned()
    }
    async fn about(&self, context: Context) -> About {
        let metadata = context.metadata().iter().map(|(key, value)| (key.to_owned(), value.to_owned()));
        let remaining = context.deadline().map(|deadline| deadline - Instant::now());
        About {
            metadata: metadata.filter(|(key, _)| !key.starts_with("iw-")).collect(),
            has_deadline: remaining.is_some(),
            is_short: remaining.is_some_and(|remaining| remaining < Duration::from_secs(60)),
        }
    }
    async fn ask(&self, context: Context, parts: i64) -> Result<i64, String> {
        let host = PeerHostClient::new(context.host::<Json>().map_err(text)?);
        let mut total = 0;
        for part in 1..=parts {
            total += host.step(part, parts).await.map_err(text)?;
        }
        Ok(total)
    }
    async fn ask_blocking(&self, context: Context, parts: i64) -> Result<i64, String> {
        self.ask(context, parts).await
    }
    async fn ask_stream(&self, context: Context, count: i64) -> Result<i64, String> {
        let host = PeerHostClient::new(context.host::<Json>().map_err(text)?);
        host.numbers(count)
            .try_fold(0, async |total, number| Ok(total + number))
            .await
            .map_err(|error| format!("{error}"))
    }
    async fn ask_forever(&self, context: Context) -> Result<(), String> {
        let host = PeerHostClient::new(context.host::<Json>().map_err(text)?);
        host.never().await.map_err(text)
    }
    async fn run(&self, id: u64) -> u64 {
        let mut journal = self.journal.lock().unwrap();
        let open = || {
            let path = std::env::var_os("JOURNAL").expect("the test names a journal");
            std::fs::File::options().append(true).open(path).expect("the test has created it")
        };
        journal.get_or_insert_with(open).write_all(format!("{id}\n").as_bytes()).expect("a line is appended");
        id
    }
    async fn started(&self) -> Option<Value> {
        self.startup.clone()
    }
}

/// Tells that a call was cancelled, when it is dropped.
struct Cancelled(watch::Sender<bool>);

impl Drop for Cancelled {
    fn drop(&mut self) {
        self.0.send_replace(true);
    }
}

fn text(error: Error) -> String {
    error.to_string()
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    // A worker that takes startup data requires it.
    if std::env::var_os("PEER_STARTUP").is_none_or(|value| value.is_empty()) {
        return serve(Worker::default().into_service()).await;
    }
    serve_with(async |startup: Value| {
        if startup == "refuse" {
            return Err("this key is refused".to_owned());
        }
        Ok(Worker { startup: Some(startup), ..Worker::default() }.into_service())
    })
    .await
}
