//! Middleware on both sides of a real process.

mod api;
mod context;
mod faults;
mod limits;
mod mark;
mod marks;
mod observe;
mod recorder;
mod refuse;
mod retry;

use std::time::Duration;

use api::DeskClient;
use isolated_workers::{Builder, Program, Worker};

/// Long enough that only what would hang reaches it.
const PATIENCE: Duration = Duration::from_secs(20);

/// A worker with this stack.
fn program(stack: &[&str]) -> Builder {
    let program = Program::new(env!("CARGO_BIN_EXE_middleware-worker"));
    Worker::builder(stack.iter().fold(program, |program, argument| program.arg(*argument)))
}

/// A client of it, with nothing around.
async fn desk(stack: &[&str]) -> DeskClient<Worker> {
    DeskClient::new(program(stack).spawn().await.unwrap())
}

/// Fails a test that hangs, and says where.
async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("this hangs")
}
