//! A driver of one's own: the worker's program runs with a low priority, under `nice`.
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
    /// `nice` becomes the program, so its process is the worker's, and can do all that one of a `Program` can.
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
trait Patient {
    /// The priority of the worker's process, as `nice` tells it.
    async fn niceness(&self) -> Result<String, String>;
}

struct Slow;

impl Patient for Slow {
    async fn niceness(&self) -> Result<String, String> {
        let output = std::process::Command::new("nice").output().map_err(|error| error.to_string())?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    if is_worker() {
        return Ok(serve(Slow.into_service()).await?);
    }
    let none: [&str; 0] = [];
    let worker = Worker::builder(Niced::new(std::env::current_exe()?, none)).spawn().await?;
    println!(
        "the niceness of process {} is {}",
        worker.pid(),
        PatientClient::new(worker.clone()).niceness().await?
    );
    worker.close().await?;

    match Worker::builder(Niced::new("./no-such-program", none)).spawn().await {
        Err(error) => println!("{:?}: {error}", error.kind()),
        Ok(worker) => println!("unexpected: {worker:?} is running"),
    }
    Ok(())
}
