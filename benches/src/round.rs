//! Rounds: a contestant does a piece of work, and the figure is returned.

mod streams;

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;

pub use self::streams::{figure_with_streams, round_with_streams};
use crate::contestant::Contestant;
use crate::contestants::Ours;
use crate::flavor::Flavor;
use crate::measured::Measured;
use crate::usage::{self, CpuOfBoth};
use crate::work::{Flavors, Work};

/// Time after which a series of calls ends early. Slow contestants make fewer calls.
fn max_series() -> Duration {
    Duration::from_millis(if is_short() { 80 } else { 400 })
}

/// Time after which a round has failed: its contestant waits for an answer that does not come.
pub fn timeout() -> Duration {
    Duration::from_secs(if is_short() { 5 } else { 120 })
}

fn is_short() -> bool {
    IS_SHORT.load(Relaxed)
}

static IS_SHORT: AtomicBool = AtomicBool::new(false);

/// Makes all rounds of this process short.
pub fn shorten() {
    IS_SHORT.store(true, Relaxed);
}

/// Number of calls that even the slowest contestant makes.
const MIN_CALLS: usize = 3;

const SMALL: Bytes = Bytes::from_static(&[7; 64]);

/// Makes one round of a contestant, and returns the figure.
pub fn round<C: Contestant>(work: Work, flavors: impl Into<Flavors>, is_pinned: bool) -> Measured {
    usage::pin(is_pinned);
    let flavors = flavors.into();
    C::block_on(&flavors.host.runtime(), async {
        match work {
            Work::SpawnMany { workers } => many::<C>(flavors.child, workers, None).await.into(),
            Work::Workers { workers, calls } => many::<C>(flavors.child, workers, Some(calls)).await.into(),
            _ => one::<C>(flavors.child, work).await,
        }
    })
}

/// Makes one round of our stack from a task of the host's runtime.
///
/// In [`round`] the main thread calls. On a runtime of several threads it does not poll the sockets
/// itself, so that another thread has to wake it.
pub fn in_task(work: Work, flavor: Flavor, is_pinned: bool) -> Measured {
    usage::pin(is_pinned);
    let task = async move { tokio::spawn(one::<Ours>(flavor, work)).await.expect("no panic") };
    flavor.runtime().block_on(task)
}

async fn one<C: Contestant>(flavor: Flavor, work: Work) -> Measured {
    let start = Instant::now();
    let contestant = C::start(flavor).await;
    contestant.echo(SMALL).await;
    let started = start.elapsed();
    let figure = match work {
        Work::Spawn => started.as_secs_f64().into(),
        _ => figure_of(&contestant, work).await,
    };
    contestant.stop().await;
    figure
}

/// Measures a contestant that is already started.
pub async fn figure_of<C: Contestant>(contestant: &C, work: Work) -> Measured {
    let both = |taken: fn(u32) -> f64| taken(std::process::id()) + taken(contestant.pid());
    match work {
        Work::Latency { bytes, calls } => latency(contestant, bytes, calls).await,
        Work::EachMegabyte { bytes, calls } => {
            (latency(contestant, bytes, calls).await.figure / (bytes as f64 / 1e6)).into()
        }
        Work::Throughput { in_flight, calls } => throughput(contestant, in_flight, calls).await,
        Work::Faults { bytes, calls } => {
            let data = C::body(bytes);
            in_a_row(contestant, &data, calls).await;
            let before = both(usage::faults);
            let made = in_a_row(contestant, &data, calls).await.len();
            ((both(usage::faults) - before) / made as f64).into()
        }
        Work::Cpu { in_flight, calls } => {
            throughput(contestant, in_flight, calls).await.cpu.expect("a throughput has it").into()
        }
        Work::Memory => {
            in_a_row(contestant, &SMALL, 1_000).await;
            at_once(contestant, 256, 20_000, max_series()).await;
            for (bytes, calls) in [(100_000, 100), (1_000_000, 20), (10_000_000, 5), (64, 1_000)] {
                in_a_row(contestant, &C::body(bytes), calls).await;
            }
            (usage::resident(contestant.pid()) as f64).into()
        }
        Work::Spawn | Work::SpawnMany { .. } | Work::Workers { .. } => {
            unreachable!("these start their own children")
        }
        Work::Receive(_) | Work::Send(_) | Work::FirstItem { .. } | Work::CallBack { .. } => {
            unreachable!("`figure_with_streams` measures these")
        }
    }
}

/// Starts several children at once. Returns the time of their start, or the time per call if
/// `calls` is given.
async fn many<C: Contestant>(flavor: Flavor, workers: usize, calls: Option<usize>) -> f64 {
    let start = Instant::now();
    let started = (0..workers).map(|_| async {
        let contestant = C::start(flavor).await;
        contestant.echo(SMALL).await;
        contestant
    });
    let contestants = join_all(started).await;
    let mut figure = start.elapsed().as_secs_f64();
    if let Some(calls) = calls {
        let start = Instant::now();
        let runs =
            contestants.iter().map(|contestant| at_once(contestant, 16, calls / workers, max_series()));
        let made: usize = join_all(runs).await.iter().map(|(made, _)| made + 16).sum();
        figure = start.elapsed().as_secs_f64() / made as f64;
    }
    join_all(contestants.into_iter().map(Contestant::stop)).await;
    figure
}

/// Returns the median time of sequential calls.
async fn latency<C: Contestant>(contestant: &C, bytes: usize, calls: usize) -> Measured {
    let data = C::body(bytes);
    in_a_row(contestant, &data, calls.div_ceil(10)).await;
    let cpu = CpuOfBoth::watch(contestant.pid());
    let mut times = in_a_row(contestant, &data, calls).await;
    let cpu = cpu.each(times.len());
    times.sort_unstable();
    Measured { figure: times[times.len() / 2].as_secs_f64(), cpu: Some(cpu) }
}

/// Returns the time per call with `in_flight` calls in flight.
async fn throughput<C: Contestant>(contestant: &C, in_flight: usize, calls: usize) -> Measured {
    at_once(contestant, in_flight, calls / 10, max_series()).await;
    let cpu = CpuOfBoth::watch(contestant.pid());
    let (made, took) = at_once(contestant, in_flight, calls, max_series()).await;
    // The last calls in flight were answered as well.
    Measured { figure: took.as_secs_f64() / made as f64, cpu: Some(cpu.each(made + in_flight)) }
}

async fn in_a_row<C: Contestant>(contestant: &C, data: &Bytes, calls: usize) -> Vec<Duration> {
    let mut times = Vec::with_capacity(calls);
    let start = Instant::now();
    while times.len() < calls && (times.len() < MIN_CALLS || start.elapsed() < max_series()) {
        let start = Instant::now();
        contestant.echo(data.clone()).await;
        times.push(start.elapsed());
    }
    times
}

/// Keeps `in_flight` calls in flight. Returns the number of answered calls and the time that they
/// took.
pub async fn at_once<C: Contestant>(
    contestant: &C,
    in_flight: usize,
    calls: usize,
    max_time: Duration,
) -> (usize, Duration) {
    let mut echoes: FuturesUnordered<_> = (0..in_flight).map(|_| contestant.echo(SMALL)).collect();
    let start = Instant::now();
    let mut made = 0;
    while made < calls && (made % 64 > 0 || start.elapsed() < max_time) {
        echoes.next().await;
        echoes.push(contestant.echo(SMALL));
        made += 1;
    }
    let took = start.elapsed();
    while echoes.next().await.is_some() {}
    (made.max(1), took)
}
