//! A custom driver: runs the worker's program under `nice`, with a low priority.
//!
//! `cargo run --example custom_driver` (on Unix)

use std::ffi::OsString;

use isolated_workers::driver::{Driver, Launch, Process};
use isolated_workers::prelude::*;
use isolated_workers::transport::DefaultTransport;

#[derive(Clone, Debug)]
pub(crate) struct Niced {
    path: OsString,
    nice: Program,
}

impl Niced {
    pub(crate) fn new(
        path: impl Into<OsString>,
        args: impl IntoIterator<Item = impl Into<OsString>>,
    ) -> Self {
        let path = path.into();
        let nice = Program::new("nice").args(["-n", "10"]).arg(&path).args(args);
        Self { path, nice }
    }
}

impl Driver for Niced {
    type Transport = DefaultTransport;
    /// `nice` executes the program in its own process. The worker is therefore that process, and
    /// supports everything that a worker started by `Program` does.
    type Running = Process;

    fn subject(&self) -> String {
        format!("{}, started by nice", self.path.display())
    }

    fn transport(&self) -> DefaultTransport {
        DefaultTransport
    }

    fn start(&self, launch: Launch) -> Result<Process, Error> {
        self.nice.start(launch)
    }
}

#[service]
trait Priority {
    /// Returns the niceness of the worker's process, as `nice` prints it.
    async fn niceness(&self) -> Result<String, String>;
}

struct MyPriority;

impl Priority for MyPriority {
    async fn niceness(&self) -> Result<String, String> {
        let output = std::process::Command::new("nice").output().map_err(|error| error.to_string())?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    if is_worker() {
        return Ok(serve(MyPriority.into_service()).await?);
    }
    let no_args: [&str; 0] = [];
    let worker = Worker::builder(Niced::new(std::env::current_exe()?, no_args)).spawn().await?;
    println!(
        "the niceness of process {} is {}",
        worker.pid(),
        PriorityClient::new(worker.clone()).niceness().await?
    );
    worker.close().await?;

    match Worker::builder(Niced::new("./no-such-program", no_args)).spawn().await {
        Err(error) => println!("{:?}: {error}", error.kind()),
        Ok(worker) => println!("unexpected: {worker:?} is running"),
    }
    Ok(())
}
