//! A thread ends with its host. It cannot use a socket either, which is checked when it starts.

use isolated_workers::driver::Thread;
use isolated_workers::transport::UnixSocket;
use isolated_workers::Worker;

fn main() {}

async fn host() {
    let driver = Thread::new(|| async { Ok(()) });
    let worker = Worker::builder(driver).transport(UnixSocket).spawn().await.unwrap();
    worker.detach().await.unwrap();
}
