//! What a contestant is given to do, and what it takes.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;

use crate::contestant::{Contestant, Ours};
use crate::flavor::Flavor;
use crate::unit::Unit;
use crate::usage;

/// What is done in one round: less is better in all of it. None takes more calls than it has time for, see [`PATIENCE`].
#[derive(Clone, Copy)]
pub enum Work {
    /// From nothing to the first reply.
    Spawn,
    /// The same for so many workers that are started at once, until all have answered.
    SpawnMany { workers: usize },
    /// The median time of so many calls one after the other, of so many bytes.
    Latency { bytes: usize, calls: usize },
    /// The same for each million bytes.
    EachMegabyte { bytes: usize, calls: usize },
    /// The page faults of both processes for each of so many calls, of so many bytes.
    Faults { bytes: usize, calls: usize },
    /// The time for each of so many calls, of which so many are in flight.
    Throughput { in_flight: usize, calls: usize },
    /// The same over so many workers, with 16 in flight on each.
    Workers { workers: usize, calls: usize },
    /// The processor time of both processes for each of so many calls, 256 in flight.
    Cpu { calls: usize },
    /// What the child has in memory after all of it: small calls and large ones, and a thousand small ones.
    Memory,
}

/// What both sides run on.
#[derive(Clone, Copy)]
pub struct Sides {
    pub host: Flavor,
    pub child: Flavor,
}

impl From<Flavor> for Sides {
    fn from(both: Flavor) -> Self {
        Self { host: both, child: both }
    }
}

impl Work {
    pub fn unit(self) -> Unit {
        match self {
            Self::Memory => Unit::Bytes,
            Self::Faults { .. } => Unit::Times,
            _ => Unit::Seconds,
        }
    }

    /// How many times a round has it: a start is short, and varies.
    pub fn repeated(self) -> usize {
        if matches!(self, Self::Spawn) { 10 } else { 1 }
    }
}

/// How long a contestant is watched at one thing. The slow ones make fewer calls for it, the slowest a few.
const PATIENCE: Duration = Duration::from_millis(400);

const FEWEST: usize = 3;

const SMALL: Bytes = Bytes::from_static(&[7; 64]);

/// One round of a contestant.
pub fn round<C: Contestant>(work: Work, sides: impl Into<Sides>, is_pinned: bool) -> f64 {
    usage::pin(is_pinned);
    let sides = sides.into();
    C::block_on(&sides.host.runtime(), async {
        match work {
            Work::SpawnMany { workers } => many::<C>(sides.child, workers, None).await,
            Work::Workers { workers, calls } => many::<C>(sides.child, workers, Some(calls)).await,
            _ => one::<C>(sides.child, work).await,
        }
    })
}

/// One round of our stack, made by a task of the host's runtime. In a [`round`] it is `main` that calls, whose thread
/// hears from no socket where there are others, and has to be woken by one that does.
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
        _ => figure(&contestant, work).await,
    };
    contestant.stop().await;
    figure
}

/// What a contestant that is there takes.
pub async fn figure<C: Contestant>(contestant: &C, work: Work) -> f64 {
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
            at_once(contestant, 256, calls / 10, PATIENCE).await;
            let before = both(|pid| usage::cpu(pid).as_secs_f64());
            let (made, _) = at_once(contestant, 256, calls, PATIENCE).await;
            // Those that were in flight when it was enough have been answered, too.
            (both(|pid| usage::cpu(pid).as_secs_f64()) - before) / (made + 256) as f64
        }
        Work::Memory => {
            in_a_row(contestant, 64, 1_000).await;
            at_once(contestant, 256, 20_000, PATIENCE).await;
            for (bytes, calls) in [(100_000, 100), (1_000_000, 20), (10_000_000, 5), (64, 1_000)] {
                in_a_row(contestant, bytes, calls).await;
            }
            usage::resident(contestant.pid()) as f64
        }
        Work::Spawn | Work::SpawnMany { .. } | Work::Workers { .. } => {
            unreachable!("a start is none of one that is there")
        }
    }
}

/// So many workers at once: their start, or the time for each call when all of them have some in flight.
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
        let runs = contestants.iter().map(|contestant| at_once(contestant, 16, calls / workers, PATIENCE));
        let made: usize = join_all(runs).await.iter().map(|(made, _)| made + 16).sum();
        figure = start.elapsed().as_secs_f64() / made as f64;
    }
    join_all(contestants.into_iter().map(Contestant::stop)).await;
    figure
}

/// The median time of calls one after the other.
async fn latency<C: Contestant>(contestant: &C, bytes: usize, calls: usize) -> f64 {
    in_a_row(contestant, bytes, calls.div_ceil(10)).await;
    let mut times = in_a_row(contestant, bytes, calls).await;
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64()
}

/// The time for each of many calls, of which so many are in flight.
async fn throughput<C: Contestant>(contestant: &C, in_flight: usize, calls: usize) -> f64 {
    at_once(contestant, in_flight, calls / 10, PATIENCE).await;
    let (made, took) = at_once(contestant, in_flight, calls, PATIENCE).await;
    took.as_secs_f64() / made as f64
}

async fn in_a_row<C: Contestant>(contestant: &C, bytes: usize, calls: usize) -> Vec<Duration> {
    let data = Bytes::from(vec![7; bytes]);
    let mut times = Vec::with_capacity(calls);
    let start = Instant::now();
    while times.len() < calls && (times.len() < FEWEST || start.elapsed() < PATIENCE) {
        let start = Instant::now();
        contestant.echo(data.clone()).await;
        times.push(start.elapsed());
    }
    times
}

/// How many calls were answered while so many were in flight, and how long that took.
pub async fn at_once<C: Contestant>(
    contestant: &C,
    in_flight: usize,
    calls: usize,
    patience: Duration,
) -> (usize, Duration) {
    let mut echoes: FuturesUnordered<_> = (0..in_flight).map(|_| contestant.echo(SMALL)).collect();
    let start = Instant::now();
    let mut made = 0;
    while made < calls && (made % 64 > 0 || start.elapsed() < patience) {
        echoes.next().await;
        echoes.push(contestant.echo(SMALL));
        made += 1;
    }
    let took = start.elapsed();
    while echoes.next().await.is_some() {}
    (made.max(1), took)
}
