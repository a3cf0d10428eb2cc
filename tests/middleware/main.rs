//! Middleware on both sides of a connection between two processes.

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

use isolated_workers::host::Builder;
use isolated_workers::{Program, Worker};
use support::service::DeskClient;

/// Builder of a worker that has the named stack of layers.
fn program(stack: &[&str]) -> Builder {
    let program = Program::new(env!("CARGO_BIN_EXE_middleware-worker"));
    Worker::builder(stack.iter().fold(program, |program, argument| program.arg(*argument)))
}

/// Client of a worker that has the named stack of layers. The host has no layers.
async fn desk(stack: &[&str]) -> DeskClient<Worker> {
    DeskClient::new(program(stack).spawn().await.unwrap())
}
