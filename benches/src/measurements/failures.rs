//! Time until a caller gets an error after its worker has died or stopped.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use isolated_workers::codec::Postcard;
use isolated_workers::host::{Heartbeat, Link};
use isolated_workers::transport::DefaultTransport;
use isolated_workers::{Error, Program, Worker};
use rustix::process::{Pid, Signal, kill_process};

use crate::figures::Distribution;
use crate::service::BenchClient;

/// Number of callers that keep the worker busy.
const CALLERS: usize = 256;

const HEARTBEAT: Duration = Duration::from_millis(50);

type BenchedWorker = Worker<Link<Postcard>, DefaultTransport>;

pub async fn measure(samples: usize) -> Result<(), Error> {
    let mut idle = Vec::new();
    let mut loaded = Vec::new();
    let mut hung = Vec::new();
    for _ in 0..samples {
        idle.push(with_pending_call(started(None).await?, Signal::KILL).await);
        loaded.push(with_busy_callers(started(None).await?).await);
    }
    for _ in 0..samples.div_ceil(10) {
        let heartbeat = Heartbeat::every(HEARTBEAT).timeout(HEARTBEAT);
        hung.push(with_pending_call(started(Some(heartbeat)).await?, Signal::STOP).await);
    }
    println!("SIGKILL -> error, one call in flight      {}", Distribution::of(idle));
    println!("SIGKILL -> last error, {CALLERS} busy callers    {}", Distribution::of(loaded));
    println!("SIGSTOP -> error, heartbeat {HEARTBEAT:?} + {HEARTBEAT:?}  {}", Distribution::of(hung));
    Ok(())
}

async fn started(heartbeat: Option<Heartbeat>) -> Result<BenchedWorker, Error> {
    let builder = Worker::builder(Program::current_exe()?).codec(Postcard);
    match heartbeat {
        Some(heartbeat) => builder.heartbeat(heartbeat).spawn().await,
        None => builder.spawn().await,
    }
}

fn signal(worker: &BenchedWorker, signal: Signal) {
    let pid = Pid::from_raw(worker.pid().cast_signed()).expect("a pid is not 0");
    kill_process(pid, signal).expect("the worker is a child of this process and was not waited for");
}

/// Signals a worker with one pending call. Returns the time until the call fails.
async fn with_pending_call(worker: BenchedWorker, by: Signal) -> Duration {
    let client = BenchClient::new(worker.clone());
    let call = tokio::spawn(async move { client.wait().await });
    // A later call was answered, so the worker has the pending one.
    let _ = BenchClient::new(worker.clone()).echo(b"x"[..].into()).await;
    let start = Instant::now();
    signal(&worker, by);
    let _ = call.await;
    start.elapsed()
}

/// Kills a worker that answers as fast as it can. Returns the time until the last caller fails.
async fn with_busy_callers(worker: BenchedWorker) -> Duration {
    let client = BenchClient::new(worker.clone());
    let callers = (0..CALLERS).map(|_| {
        let client = client.clone();
        tokio::spawn(async move { while client.echo(b"0123456789"[..].into()).await.is_ok() {} })
    });
    let callers: Vec<_> = callers.collect();
    tokio::time::sleep(Duration::from_millis(5)).await;
    let start = Instant::now();
    signal(&worker, Signal::KILL);
    join_all(callers).await;
    start.elapsed()
}
