//! Workers that die: what the caller learns, which calls are made again, and what becomes of one that kills every worker.
//!
//! `cargo run --example crash_handling` (on Unix)

use isolated_workers::error::ExitReason;
use isolated_workers::host::OnCrash;
use isolated_workers::prelude::*;
use isolated_workers::service::Context;

#[service]
trait Press {
    /// Can be run twice without harm, so that it is made again when its worker dies.
    #[message(idempotent)]
    async fn proof(&self, context: Context, page: u32) -> String;
    /// Is never run twice.
    async fn print(&self, page: u32);
    /// Two runs at most, whatever the host's policy.
    #[message(retry = 1)]
    async fn parse(&self, text: String) -> usize;
}

struct Rickety;

impl Press for Rickety {
    async fn proof(&self, context: Context, page: u32) -> String {
        if context.attempt() == 1 {
            std::process::abort();
        }
        format!("page {page} in process {}, at attempt {}", std::process::id(), context.attempt())
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
        return serve(Rickety.into_service()).await;
    }
    let worker = Worker::builder(Program::current_exe()?).on_crash(OnCrash::retry(2)).spawn().await?;
    let press = PressClient::new(worker.clone());
    let first = worker.pid();
    println!("made again: {}", press.proof(7).await?);
    println!("the first worker, {first}, is gone; another one runs: {}", worker.pid() != first);

    let error = press.print(7).await.unwrap_err();
    let crash = error.crash().expect("a crash");
    match crash.reason {
        ExitReason::Exited(code) => println!("exit code {code}, and it said: {}", crash.stderr.trim_end()),
        other => println!("unexpected: {other}"),
    }
    println!("not made again: {error}");

    // Of the calls in flight, the one that is to blame is found out. Its neighbours are none the worse.
    let (poison, innocent) = tokio::join!(press.parse("poison".into()), press.parse("bread".into()));
    let poison = poison.unwrap_err();
    println!("poison: {}", poison.crash().is_some_and(|crash| crash.is_poison()));
    println!("{poison}");
    println!("innocent: {}", innocent?);
    worker.close().await
}
