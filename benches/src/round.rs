//! Rounds: a contestant does a piece of work, and the figure is returned.

mod streams;

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;

pub use self::streams::{figure_with_streams, round_with_streams};
use crate::contestant::Contestant;
use crate::contestants::Ours;
use crate::flavor::Flavor;
use crate::usage;
use crate::work::{Flavors, Work};

/// Time after which a series of calls ends early. Slow contestants make fewer calls.
const MAX_SERIES: Duration = Duration::from_millis(400);

/// Number of calls that even the slowest contestant makes.
const MIN_CALLS: usize = 3;

const SMALL: Bytes = Bytes::from_static(&[7; 64]);

/// Makes one round of a contestant, and returns the figure.
pub fn round<C: Contestant>(work: Work, flavors: impl Into<Flavors>, is_pinned: bool) -> f64 {
    usage::pin(is_pinned);
    let flavors = flavors.into();
    C::block_on(&flavors.host.runtime(), async {
        match work {
            Work::SpawnMany { workers } => many::<C>(flavors.child, workers, None).await,
            Work::Workers { workers, calls } => many::<C>(flavors.child, workers, Some(calls)).await,
            _ => one::<C>(flavors.child, work).await,
        }
    })
}

/// Makes one round of our stack from a task of the host's runtime.
///
/// In [`round`] the main thread calls. On a runtime of several threads it does not poll the sockets
/// itself, so that another thread has to wake it.
pub fn in_task(work: Work, flavor: Flavor, is_pinned: bool) -> f64 {
    usage::pin(is_pinned);
    let task = async move { tokio::spawn(one::<Ours>(flavor, work)).await.expect("no panic") };
    flavor.runtime().block_on(task)
}

async fn one<C: Contestant>(flavor: Flavor, work: Work) -> f64 {
    let start = Instant::now();
    let contestant = C::start(flavor).await;
    contestant.echo(SMALL).await;
    let started = start.elapsed();
    let figure = match work {
        Work::Spawn => started.as_secs_f64(),
        _ => figure_of(&contestant, work).await,
    };
    contestant.stop().await;
    figure
}

/// Measures a contestant that is already started.
pub async fn figure_of<C: Contestant>(contestant: &C, work: Work) -> f64 {
    let both = |taken: fn(u32) -> f64| taken(std::process::id()) + taken(contestant.pid());
    match work {
        Work::Latency { bytes, calls } => latency(contestant, bytes, calls).await,
        Work::EachMegabyte { bytes, calls } => latency(contestant, bytes, calls).await / (bytes as f64 / 1e6),
        Work::Throughput { in_flight, calls } => throughput(contestant, in_flight, calls).await,
        Work::Faults { bytes, calls } => {
            in_a_row(contestant, bytes, calls).await;
            let before = both(usage::faults);
            let made = in_a_row(contestant, bytes, calls).await.len();
            (both(usage::faults) - before) / made as f64
        }
        Work::Cpu { calls } => {
            at_once(contestant, 256, calls / 10, MAX_SERIES).await;
            let before = both(|pid| usage::cpu(pid).as_secs_f64());
            let (made, _) = at_once(contestant, 256, calls, MAX_SERIES).await;
            // The last 256 calls in flight were answered as well.
            (both(|pid| usage::cpu(pid).as_secs_f64()) - before) / (made + 256) as f64
        }
        Work::Memory => {
            in_a_row(contestant, 64, 1_000).await;
            at_once(contestant, 256, 20_000, MAX_SERIES).await;
            for (bytes, calls) in [(100_000, 100), (1_000_000, 20), (10_000_000, 5), (64, 1_000)] {
                in_a_row(contestant, bytes, calls).await;
            }
            usage::resident(contestant.pid()) as f64
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
        let runs = contestants.iter().map(|contestant| at_once(contestant, 16, calls / workers, MAX_SERIES));
        let made: usize = join_all(runs).await.iter().map(|(made, _)| made + 16).sum();
        figure = start.elapsed().as_secs_f64() / made as f64;
    }
    join_all(contestants.into_iter().map(Contestant::stop)).await;
    figure
}

/// Returns the median time of sequential calls.
async fn latency<C: Contestant>(contestant: &C, bytes: usize, calls: usize) -> f64 {
    in_a_row(contestant, bytes, calls.div_ceil(10)).await;
    let mut times = in_a_row(contestant, bytes, calls).await;
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64()
}

/// Returns the time per call with `in_flight` calls in flight.
async fn throughput<C: Contestant>(contestant: &C, in_flight: usize, calls: usize) -> f64 {
    at_once(contestant, in_flight, calls / 10, MAX_SERIES).await;
    let (made, took) = at_once(contestant, in_flight, calls, MAX_SERIES).await;
    took.as_secs_f64() / made as f64
}

async fn in_a_row<C: Contestant>(contestant: &C, bytes: usize, calls: usize) -> Vec<Duration> {
    let data = Bytes::from(vec![7; bytes]);
    let mut times = Vec::with_capacity(calls);
    let start = Instant::now();
    while times.len() < calls && (times.len() < MIN_CALLS || start.elapsed() < MAX_SERIES) {
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
