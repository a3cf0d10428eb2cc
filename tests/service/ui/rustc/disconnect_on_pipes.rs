//! A worker on pipes cannot be reached again.

use isolated_workers::transport::Stdio;
use isolated_workers::{Program, Worker};

fn main() {}

async fn host() {
    let worker = Worker::builder(Program::new("worker")).transport(Stdio).spawn().await.unwrap();
    worker.disconnect().await.unwrap();
}
