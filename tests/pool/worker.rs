//! Worker of the pool tests. Its first argument is its version.

mod jobs;

use std::fs::File;
use std::io::{Read, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use futures_util::{Stream, StreamExt};
use isolated_workers::service::streaming::{Emitter, StreamClosed, produce};
use isolated_workers::service::{Context, Streaming};
use isolated_workers::{Error, serve};
use jobs::Jobs;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

#[derive(Default)]
struct Worker {
    allocated: Mutex<Vec<Vec<u8>>>,
    remembered: Mutex<Vec<u64>>,
}

impl Jobs for Worker {
    async fn pid(&self) -> u32 {
        std::process::id()
    }
    async fn echo(&self, number: u64) -> u64 {
        number
    }
    async fn hold(&self, path: String, name: String) -> u32 {
        held(path, name).await;
        std::process::id()
    }
    async fn hold_again(&self, path: String, name: String) -> u32 {
        self.hold(path, name).await
    }
    async fn once(&self, path: String, number: u64) -> u64 {
        journal(&path, number);
        // Another call or a kill can happen here.
        tokio::task::yield_now().await;
        number
    }
    async fn again(&self, path: String, number: u64) -> u64 {
        self.once(path, number).await
    }
    async fn note(&self, path: String, number: u64) {
        journal(&path, number);
    }
    async fn length(&self, text: String) -> usize {
        text.len()
    }
    async fn length_note(&self, _: String) {}
    async fn spin_forever(&self) {
        loop {
            std::hint::spin_loop();
        }
    }
    async fn remaining(&self, context: Context, path: String, millis: u64) -> u64 {
        let deadline = context.deadline().unwrap();
        let remaining = deadline.saturating_duration_since(Instant::now()).as_millis() as u64;
        let is_first = !std::path::Path::new(&path).exists();
        journal(&path, remaining);
        if is_first {
            std::thread::sleep(Duration::from_millis(millis));
            std::process::abort();
        }
        remaining
    }
    async fn hold_forever(&self) {
        std::future::pending().await
    }
    async fn hold_unanswered(&self, path: String, name: String) {
        self.hold(path.clone(), name).await;
        self.hold(path, "finishes".into()).await;
    }
    async fn abort(&self) {
        std::process::abort()
    }
    async fn poison(&self, path: String) -> u64 {
        journal(&path, 0);
        std::process::abort()
    }
    async fn exit(&self) {
        std::process::exit(0)
    }
    async fn spin(&self) {
        loop {
            std::hint::spin_loop();
        }
    }
    async fn hang(&self, path: String, name: String) {
        // Stays open, so that a test can see the end of the worker.
        let _stream = connect(&path, &name);
        loop {
            std::hint::spin_loop();
        }
    }
    fn block(&self, path: String, name: String) -> u32 {
        let _ = connect(&path, &name).read(&mut [0]);
        std::process::id()
    }
    fn block_and_abort(&self, path: String, name: String) -> u32 {
        self.block(path, name);
        std::process::abort()
    }
    async fn patient(&self, number: u64) -> u64 {
        number
    }
    async fn grow(&self, bytes: usize) {
        self.allocated.lock().unwrap().push(vec![1; bytes]);
    }
    async fn remember(&self, number: u64) -> Vec<u64> {
        let mut remembered = self.remembered.lock().unwrap();
        remembered.push(number);
        remembered.clone()
    }
    async fn version(&self) -> String {
        std::env::args().nth(1).unwrap_or_default()
    }
    fn count(&self, path: String, name: String, before: u64, after: u64) -> impl Stream<Item = u64> {
        let numbers = produce(async move |mut out: Emitter<u64>| {
            for number in 0..before {
                out.send(number).await?;
            }
            held(path, name).await;
            for number in before..before + after {
                out.send(number).await?;
            }
            Ok::<(), StreamClosed>(())
        });
        numbers.map(Result::unwrap)
    }
    fn count_again(&self, path: String, name: String, before: u64, after: u64) -> impl Stream<Item = u64> {
        self.count(path, name, before, after)
    }
    async fn sum(&self, path: String, name: String, mut numbers: Streaming<u64>) -> u64 {
        let mut sum = numbers.next().await.unwrap().unwrap();
        held(path, name).await;
        while let Some(number) = numbers.next().await {
            sum += number.unwrap();
        }
        sum
    }
}

/// Connects to a stage, and returns when the test closes the connection.
async fn held(path: String, name: String) {
    let mut stream = UnixStream::connect(path).await.unwrap();
    stream.write_all(format!("{name}\n").as_bytes()).await.unwrap();
    let _ = stream.read(&mut [0]).await;
}

fn connect(path: &str, name: &str) -> std::os::unix::net::UnixStream {
    let mut stream = std::os::unix::net::UnixStream::connect(path).unwrap();
    stream.write_all(format!("{name}\n").as_bytes()).unwrap();
    stream
}

fn journal(path: &str, number: u64) {
    // A single write, so that lines of several workers do not mix.
    let mut file = File::options().create(true).append(true).open(path).unwrap();
    file.write_all(format!("{number}\n").as_bytes()).unwrap();
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    serve(Worker::default().into_service()).await
}
