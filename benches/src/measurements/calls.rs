//! Bare calls, for a profiler.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use isolated_workers::codec::Postcard;
use isolated_workers::host::{Latency, Timeouts};
use isolated_workers::layer::NoLayers;
use isolated_workers::{Error, Program, Service, Worker};

use crate::contestants::{Depth, Four, One};
use crate::service::BenchClient;

const BODY: &[u8] = &[7; 64];

const AT_ONCE: usize = 256;

/// Environment variable of a worker that sleeps at once.
const FRUGAL: &str = "ISOLATED_WORKERS_BENCHES_FRUGAL";

/// Latency of the worker that this process is.
pub fn worker_latency() -> Latency {
    if std::env::var_os(FRUGAL).is_some() { Latency::Frugal } else { Latency::default() }
}

/// Makes `in_a_row` sequential calls and `at_once` calls in batches, through `layers` empty layers.
/// Then closes the worker, because a profiler needs a graceful shutdown.
pub async fn calls(layers: usize, in_a_row: usize, at_once: usize) -> Result<(), Error> {
    match layers {
        0 => through::<NoLayers>(in_a_row, at_once).await,
        1 => through::<One>(in_a_row, at_once).await,
        4 => through::<Four>(in_a_row, at_once).await,
        _ => panic!("invalid number of layers: choose 0, 1 or 4"),
    }
}

async fn through<L: Depth>(in_a_row: usize, at_once: usize) -> Result<(), Error> {
    // Waiting before sleep takes a number of instructions that varies.
    let program = Program::current_exe()?.env(FRUGAL, "");
    // A profiler is slow to start and to end a process.
    let timeouts = Timeouts::default().startup(Duration::from_secs(120)).close(Duration::from_secs(120));
    let builder = Worker::builder(program).codec(Postcard).latency(Latency::Frugal).timeouts(timeouts);
    let worker = L::around(builder).spawn().await?;
    let client = BenchClient::new(worker.clone());
    one_after_another(&client, in_a_row).await?;
    self::at_once(&client, at_once).await?;
    worker.close().await
}

async fn one_after_another<S: Service>(client: &BenchClient<S>, calls: usize) -> Result<(), Error> {
    for _ in 0..calls {
        client.echo(Bytes::from_static(BODY)).await?;
    }
    Ok(())
}

async fn at_once<S: Service>(client: &BenchClient<S>, calls: usize) -> Result<(), Error> {
    let callers = (0..AT_ONCE).map(|_| async {
        for _ in 0..calls / AT_ONCE {
            client.echo(Bytes::from_static(BODY)).await?;
        }
        Ok(())
    });
    join_all(callers).await.into_iter().collect()
}
