//! Errors of a call, and how to distinguish them: the handler's own error, a panic in the handler,
//! a call to a closed worker, and a program that cannot be started.
//!
//! `cargo run --example error_handling`

use isolated_workers::error::Executed;
use isolated_workers::prelude::*;
use serde::{Deserialize, Serialize};

#[service]
trait Account {
    async fn withdraw(&self, cents: u64) -> Result<u64, WithdrawError>;
    async fn interest(&self, years: u64) -> u64;
}

/// The handler's own error. It is sent as a value, so the host can match on it.
#[derive(Debug, Serialize, Deserialize)]
enum WithdrawError {
    Insufficient { missing: u64 },
}

impl std::fmt::Display for WithdrawError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self::Insufficient { missing } = self;
        write!(f, "{missing} cents short")
    }
}

struct Balance(u64);

impl Account for Balance {
    async fn withdraw(&self, cents: u64) -> Result<u64, WithdrawError> {
        self.0.checked_sub(cents).ok_or_else(|| WithdrawError::Insufficient { missing: cents - self.0 })
    }
    async fn interest(&self, years: u64) -> u64 {
        self.0 / years
    }
}

/// Suggests a reaction. Match on the kind of an error: its text is for people and may change.
fn advice(error: &Error) -> &'static str {
    match (error.kind(), error.executed()) {
        (ErrorKind::Panicked, _) => "report a bug",
        (ErrorKind::Spawn, _) => "install the program",
        (_, Executed::No) => "not executed, so retry on another worker",
        (ErrorKind::Timeout | ErrorKind::Crashed, _) => "check whether it was executed before you retry",
        _ => "give up",
    }
}

fn report(error: &Error) {
    // `{:#}` adds the causes, such as the error of the operating system.
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
            Ok(left) => println!("{left} cents left"),
            Err(CallError::Service(WithdrawError::Insufficient { missing })) => {
                println!("{missing} cents short")
            }
            Err(CallError::Call(error)) => report(&error),
        }
    }
    report(&account.interest(0).await.unwrap_err());
    println!("the worker is still running: {}", account.interest(4).await?);
    worker.close().await?;
    report(&account.interest(4).await.unwrap_err());
    report(&Worker::builder(Program::new("./no-such-program")).spawn().await.unwrap_err());
    Ok(())
}
