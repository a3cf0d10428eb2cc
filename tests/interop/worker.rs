//! Worker for a host in Node.js. Nothing here depends on Node.js. The argument `postcard` selects
//! another codec.

mod service;

use std::sync::Mutex;

use isolated_workers::codec::Postcard;
use isolated_workers::{Error, is_worker, serve};
use service::{Boom, Interop};
use tokio::sync::watch;

#[derive(Default)]
struct Worker {
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
