//! The other side of a measurement, in a process of its own.

use std::process::Stdio;

use futures_util::StreamExt;
use isolated_workers::codec::Json;
use isolated_workers::prelude::*;
use isolated_workers::service::Local;
use isolated_workers_nats::{self as nats, async_nats};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::{Failure, Load, Worker, load};

/// Subject of the responder that uses async-nats alone.
pub(crate) const BARE: &str = "bare.echo";
/// Workers of a pool.
pub(crate) const WORKERS: usize = 2;
/// Calls in flight on a worker of a pool.
pub(crate) const IN_FLIGHT: u32 = 64;

/// Starts the other side and waits until it serves: `bare`, `local` or `pool`. It ends with this
/// process.
pub(crate) async fn start(kind: &str, url: &str) -> Result<Child, Failure> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["machine", kind, url]).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn()?;
    let mut lines = BufReader::new(child.stdout.take().ok_or("standard output is a pipe")?).lines();
    match lines.next_line().await?.as_deref() {
        Some("serves") => Ok(child),
        other => Err(format!("the machine does not serve: {other:?}").into()),
    }
}

/// Serves until standard input ends.
pub(crate) async fn run(kind: &str, url: &str) -> Result<(), Failure> {
    let client = async_nats::connect(url).await?;
    let _machine = match kind {
        "bare" => {
            let mut requests = client.subscribe(BARE).await?;
            tokio::spawn(async move {
                while let Some(request) = requests.next().await {
                    if let Some(reply) = request.reply {
                        let _ = client.publish(reply, request.payload).await;
                    }
                }
            });
            None
        }
        "local" => {
            let service = Local::new(Worker.into_service(), Json);
            Some(nats::serve(service, client, "local").service(load::SCHEMA).max_in_flight(1024).await?)
        }
        _ => {
            let pool = Pool::builder(Program::current_exe()?)
                .workers(WORKERS)
                .max_in_flight(IN_FLIGHT)
                .spawn()
                .await?;
            let room = WORKERS * IN_FLIGHT as usize;
            Some(nats::serve(pool, client, "pool").service(load::SCHEMA).max_in_flight(room).await?)
        }
    };
    println!("serves");
    tokio::io::stdin().read_to_end(&mut Vec::new()).await?;
    Ok(())
}
