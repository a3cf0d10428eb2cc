//! A thread is no process.

use isolated_workers::driver::Thread;
use isolated_workers::Worker;

fn main() {}

async fn host() {
    let worker = Worker::builder(Thread::new(|| async { Ok(()) })).spawn().await.unwrap();
    println!("{}", worker.pid());
}
