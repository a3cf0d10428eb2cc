//! What can go wrong with a call, and how to tell it apart: the handler's own error, a panic in it, a call that its worker
//! cannot take, and a program that cannot be started.
//!
//! `cargo run --example error_handling`

use isolated_workers::error::Executed;
use isolated_workers::prelude::*;
use serde::{Deserialize, Serialize};

#[service]
trait Account {
    async fn withdraw(&self, cents: u64) -> Result<u64, Refused>;
    async fn interest(&self, years: u64) -> u64;
}

/// Travels as a value: the host matches it as any other.
#[derive(Debug, Serialize, Deserialize)]
enum Refused {
    TooLittle { missing: u64 },
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self::TooLittle { missing } = self;
        write!(f, "{missing} cents are missing")
    }
}

struct Balance(u64);

impl Account for Balance {
    async fn withdraw(&self, cents: u64) -> Result<u64, Refused> {
        self.0.checked_sub(cents).ok_or_else(|| Refused::TooLittle { missing: cents - self.0 })
    }
    async fn interest(&self, years: u64) -> u64 {
        self.0 / years
    }
}

/// Says what to do. The kind is to decide by, the text is for people.
fn advice(error: &Error) -> &'static str {
    match (error.kind(), error.executed()) {
        (ErrorKind::Panicked, _) => "report a bug",
        (ErrorKind::Spawn, _) => "install the program",
        (_, Executed::No) => "nothing has happened, so try again elsewhere",
        (ErrorKind::Timeout | ErrorKind::Crashed, _) => "look whether it has happened before you try again",
        _ => "give up",
    }
}

fn report(error: &Error) {
    // `{:#}` adds the causes: what the system said, for example.
    println!("{:?}: {error:#}\n  -> {}", error.kind(), advice(error));
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    if is_worker() {
        return serve(Balance(100).into_service()).await;
    }
    let worker = Worker::builder(Program::current_exe()?).spawn().await?;
    let account = AccountClient::new(worker.clone());
    for cents in [30, 500] {
        match account.withdraw(cents).await {
            Ok(left) => println!("{left} cents are left"),
            Err(CallError::Service(Refused::TooLittle { missing })) => println!("{missing} too few"),
            Err(CallError::Call(error)) => report(&error),
        }
    }
    report(&account.interest(0).await.unwrap_err());
    println!("the worker goes on: {}", account.interest(4).await?);
    worker.close().await?;
    report(&account.interest(4).await.unwrap_err());
    report(&Worker::builder(Program::new("./no-such-program")).spawn().await.unwrap_err());
    Ok(())
}
