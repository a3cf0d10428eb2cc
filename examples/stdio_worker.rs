//! A worker whose connection is its standard input and output, as where a pipe to a child is all there is. It may print
//! all the same: what it prints comes out on its standard error.
//!
//! `cargo run --example stdio_worker`

use std::time::Duration;

use isolated_workers::driver::Output;
use isolated_workers::host::Timeouts;
use isolated_workers::prelude::*;
use isolated_workers::transport::Stdio;

#[service]
trait Greeter {
    async fn greet(&self, name: String) -> String;
}

struct Talkative;

impl Greeter for Talkative {
    async fn greet(&self, name: String) -> String {
        println!("now comes {name}");
        // Also what a library in another language prints, and a process that the worker starts.
        let _ = std::process::Command::new("echo").arg("a child prints, too").status();
        format!("Good evening, {name}.")
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    if is_worker() {
        // It finds out by itself how it was started; `.transport(Stdio)` here would take no other way.
        return serve(Talkative.into_service()).await;
    }
    let program = Program::current_exe()?.stderr(Output::Capture);
    let worker = Worker::builder(program).transport(Stdio).spawn().await?;
    println!("{}", GreeterClient::new(worker.clone()).greet("Ada".to_owned()).await?);
    worker.close().await?;
    for line in worker.stderr().lines() {
        println!("it printed: {line}");
    }

    // A program that is no worker does not go unnoticed, whether it talks or is silent.
    let talks = Worker::builder(Program::new("echo").arg("Hello!")).transport(Stdio);
    println!("{}", talks.spawn().await.unwrap_err());
    let soon = Timeouts::default().startup(Duration::from_millis(200));
    let silent = Worker::builder(Program::new("sleep").arg("60")).transport(Stdio).timeouts(soon);
    println!("{}", silent.spawn().await.unwrap_err());
    Ok(())
}
