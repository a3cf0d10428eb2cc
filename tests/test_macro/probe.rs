//! Service of the workers.

use isolated_workers::prelude::*;

#[service]
pub(crate) trait Probe {
    /// Process id of the worker.
    async fn pid(&self) -> u32;

    /// Prints to the standard output and the standard error.
    async fn print(&self, line: String);

    async fn fail(&self) -> Result<(), String>;

    async fn abort(&self);

    /// Starts this program as a worker of the worker. Returns the error.
    async fn start_nested(&self, test: String) -> String;
}

pub(crate) struct MyProbe;

impl Probe for MyProbe {
    async fn pid(&self) -> u32 {
        std::process::id()
    }

    async fn print(&self, line: String) {
        println!("{line}");
        eprintln!("{line}");
    }

    async fn fail(&self) -> Result<(), String> {
        Err("as asked".to_owned())
    }

    async fn abort(&self) {
        std::process::abort()
    }

    async fn start_nested(&self, test: String) -> String {
        start_by_hand(&test).await
    }
}

/// Starts this program as a worker that runs a test, without the argument of the test. Returns the
/// error.
pub(crate) async fn start_by_hand(test: &str) -> String {
    let program = Program::current_exe().unwrap().args(["--exact", test, "--include-ignored", "--nocapture"]);
    Worker::builder(program).spawn().await.expect_err("no worker").to_string()
}
