//! The calculator of `quickstart` without `#[service]`: hand-written messages and handler, and
//! calls without a generated client. The macro generates the same code.
//!
//! `cargo run --example by_hand`

use isolated_workers::Message;
use isolated_workers::codec::Codec;
use isolated_workers::error::Never;
use isolated_workers::prelude::*;
use isolated_workers::protocol::{Request, Response, Schema};
use isolated_workers::service::{Handler, handler};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Add {
    a: i64,
    b: i64,
}

impl Message for Add {
    const NAME: &'static str = "add";
    type Reply = i64;
    type Error = Never;
}

#[derive(Serialize, Deserialize)]
struct Divide {
    a: i64,
    b: i64,
}

impl Message for Divide {
    const NAME: &'static str = "divide";
    type Reply = i64;
    type Error = DivideError;
}

#[derive(Debug, Serialize, Deserialize)]
enum DivideError {
    ByZero,
}

impl std::fmt::Display for DivideError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("division by zero")
    }
}

struct Calculator;

impl Calculator {
    fn divide(&self, Divide { a, b }: Divide) -> Result<i64, DivideError> {
        a.checked_div(b).ok_or(DivideError::ByZero)
    }
}

impl Handler for Calculator {
    // The macro computes the number from the messages. By hand, increment it when they change.
    const SCHEMA: Schema = Schema::new("Calculator", 1);

    async fn handle<C: Codec>(&self, codec: &C, request: Request) -> Result<Response, Error> {
        match request.name() {
            Add::NAME => handler::respond(codec, request, async |Add { a, b }| Ok(a + b)).await,
            Divide::NAME => handler::respond(codec, request, async |message| self.divide(message)).await,
            _ => Err(handler::unknown_message(&Self::SCHEMA, &request)),
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    if is_worker() {
        return Ok(serve(Calculator).await?);
    }
    let worker = Worker::builder(Program::current_exe()?).service(Calculator::SCHEMA).spawn().await?;
    println!("2 + 3 = {}", worker.send(Add { a: 2, b: 3 }).await?);
    match worker.send(Divide { a: 1, b: 0 }).await {
        Err(CallError::Service(DivideError::ByZero)) => println!("1 / 0 is a typed error"),
        other => println!("unexpected: {other:?}"),
    }
    worker.close().await?;
    Ok(())
}
