//! Middleware on both sides of a real process.

mod context;
mod deadlines;
mod injected_faults;
mod layer_order;
mod observability;
mod refusals;
mod retry;
mod support {
    pub(crate) mod mark;
    pub(crate) mod recorder;
    pub(crate) mod service;
}

use isolated_workers::{Builder, Program, Worker};
use support::service::DeskClient;

/// A worker with this stack.
fn program(stack: &[&str]) -> Builder {
    let program = Program::new(env!("CARGO_BIN_EXE_middleware-worker"));
    Worker::builder(stack.iter().fold(program, |program, argument| program.arg(*argument)))
}

/// A client of it, with nothing around.
async fn desk(stack: &[&str]) -> DeskClient<Worker> {
    DeskClient::new(program(stack).spawn().await.unwrap())
}
