//! Chaos worker. Its first argument is the path of the journal that all workers append to.

mod service;

use std::fs::File;
use std::io::Write;
use std::time::Duration;

use isolated_workers::codec::Postcard;
use isolated_workers::{Error, serve};
use service::{Chaos, reply};

struct Worker(File);

impl Worker {
    /// Appends a line with one write, which is atomic in append mode.
    fn run(&self, call: u64) -> String {
        (&self.0).write_all(format!("{call}\n").as_bytes()).unwrap();
        reply(call)
    }
}

impl Chaos for Worker {
    async fn once(&self, call: u64) -> String {
        self.run(call)
    }
    async fn again(&self, call: u64) -> String {
        self.run(call)
    }
    async fn slowly(&self, call: u64) -> String {
        tokio::time::sleep(Duration::from_millis(call % 20)).await;
        self.run(call)
    }
    async fn tell(&self, call: u64) {
        self.run(call);
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let journal = std::env::args_os().nth(1).unwrap();
    let journal = File::options().append(true).open(journal).unwrap();
    serve(Worker(journal).into_service()).codec(Postcard).await
}
