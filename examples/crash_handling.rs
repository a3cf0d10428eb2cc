//! Workers that crash: the error at the caller, which calls are retried, and a poison call, which
//! crashes every worker that runs it.
//!
//! `cargo run --example crash_handling` (on Unix)

use isolated_workers::error::ExitReason;
use isolated_workers::host::OnCrash;
use isolated_workers::prelude::*;
use isolated_workers::service::Context;

#[service]
trait Press {
    /// Safe to run twice, so it is retried if its worker crashes.
    #[message(idempotent)]
    async fn proof(&self, context: Context, page: u32) -> String;
    /// Never retried.
    async fn print(&self, page: u32);
    /// Retried at most once, whatever the host's policy.
    #[message(retry = 1)]
    async fn parse(&self, text: String) -> usize;
}

struct CrashingPress;

impl Press for CrashingPress {
    async fn proof(&self, context: Context, page: u32) -> String {
        if context.attempt() == 1 {
            std::process::abort();
        }
        format!("page {page} in process {}, attempt {}", std::process::id(), context.attempt())
    }
    async fn print(&self, _page: u32) {
        eprintln!("the paper is jammed");
        std::process::exit(3)
    }
    async fn parse(&self, text: String) -> usize {
        if text == "poison" {
            std::process::exit(4);
        }
        text.len()
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    if is_worker() {
        return serve(CrashingPress.into_service()).await;
    }
    let worker = Worker::builder(Program::current_exe()?).on_crash(OnCrash::retry(2)).spawn().await?;
    let press = PressClient::new(worker.clone());
    let first = worker.pid();
    println!("retried: {}", press.proof(7).await?);
    println!("worker {first} crashed and was replaced: {}", worker.pid() != first);

    let error = press.print(7).await.unwrap_err();
    let crash = error.crash().expect("the error of a crash");
    match crash.reason {
        ExitReason::Exited(code) => println!("exit code {code}, stderr: {}", crash.stderr.trim_end()),
        other => println!("unexpected: {other}"),
    }
    println!("not retried: {error}");

    // Of the calls in flight, only the poison call fails. The others are retried.
    let (poison, innocent) = tokio::join!(press.parse("poison".into()), press.parse("bread".into()));
    let poison = poison.unwrap_err();
    println!("poison: {}", poison.crash().is_some_and(|crash| crash.is_poison()));
    println!("{poison}");
    println!("innocent: {}", innocent?);
    worker.close().await
}
