//! A machine of the fleet: a process that offers its pool.

use std::error::Error;
use std::process::Stdio;

use isolated_workers::codec::Postcard;
use isolated_workers::prelude::*;
use isolated_workers_nats::{self as nats, async_nats};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::thumbnailer;

/// Workers of a machine, with one image at a time each.
const WORKERS: usize = 2;

/// Serves until standard input ends.
pub(crate) async fn run(url: &str) -> Result<(), Box<dyn Error>> {
    let pool = Pool::builder(Program::current_exe()?).codec(Postcard).workers(WORKERS).spawn().await?;
    let client = async_nats::connect(url).await?;
    let machine = nats::serve(pool.clone(), client, "thumbnails")
        .service(thumbnailer::SCHEMA)
        .max_in_flight(WORKERS)
        .version("1.0.0")
        .await?;
    println!("serves");
    tokio::io::stdin().read_to_end(&mut Vec::new()).await?;
    machine.drain().await;
    pool.close().await?;
    Ok(())
}

/// Process of a machine.
pub(crate) struct MachineProcess(Child);

impl MachineProcess {
    /// Starts a machine and waits until it serves.
    pub(crate) async fn start(url: &str) -> Result<Self, Box<dyn Error>> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(url).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn()?;
        let output = child.stdout.take().ok_or("standard output is a pipe")?;
        let mut lines = BufReader::new(output).lines();
        match lines.next_line().await?.as_deref() {
            Some("serves") => Ok(Self(child)),
            other => Err(format!("the machine does not serve: {other:?}").into()),
        }
    }

    /// Kills the machine. Its workers end with it.
    pub(crate) async fn kill(mut self) -> Result<(), Box<dyn Error>> {
        Ok(self.0.kill().await?)
    }
}
