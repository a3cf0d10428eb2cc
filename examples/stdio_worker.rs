//! A worker connected by its standard input and output, for systems that offer no other channel.
//! The worker can still print: the library redirects its standard output to standard error.
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
        println!("greeting {name}");
        // The output of C libraries and child processes is redirected too.
        let _ = std::process::Command::new("echo").arg("hello from a child").status();
        format!("Good evening, {name}.")
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    if is_worker() {
        // `serve` detects the transport. With `.transport(Stdio)` it would accept no other.
        return serve(Talkative.into_service()).await;
    }
    let program = Program::current_exe()?.stderr(Output::Capture);
    let worker = Worker::builder(program).transport(Stdio).spawn().await?;
    println!("{}", GreeterClient::new(worker.clone()).greet("Ada".to_owned()).await?);
    worker.close().await?;
    for line in worker.stderr().lines() {
        println!("the worker printed: {line}");
    }

    // A program that is not a worker is an error, whether it prints or stays silent.
    let printing = Worker::builder(Program::new("echo").arg("Hello!")).transport(Stdio);
    println!("{}", printing.spawn().await.unwrap_err());
    let short = Timeouts::default().startup(Duration::from_millis(200));
    let silent = Worker::builder(Program::new("sleep").arg("60")).transport(Stdio).timeouts(short);
    println!("{}", silent.spawn().await.unwrap_err());
    Ok(())
}
