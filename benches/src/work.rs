//! What a contestant is given to do, and what it takes.

use std::time::Instant;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use crate::contestant::Contestant;
use crate::flavor::Flavor;
use crate::usage;

/// What is done in one round, in seconds or bytes: less is better.
#[derive(Clone, Copy)]
pub enum Work {
    /// From nothing to the first reply.
    Spawn,
    /// The median time of so many calls one after the other, of so many bytes.
    Latency { bytes: usize, calls: usize },
    /// The time for each of so many calls, of which so many are in flight.
    Throughput { in_flight: usize, calls: usize },
    /// The processor time of both processes for each of so many calls, 256 in flight.
    Cpu { calls: usize },
    /// What the child has in memory after some calls.
    Memory,
}

impl Work {
    /// A figure with its unit.
    pub fn shown(self, figure: f64) -> String {
        match self {
            Work::Memory => format!("{:.2} MiB", figure / f64::from(1 << 20)),
            _ if figure >= 1e-3 => format!("{:.2} ms", figure * 1e3),
            _ => format!("{:.2} µs", figure * 1e6),
        }
    }
}

/// One round of a contestant.
pub fn round<C: Contestant>(work: Work, flavor: Flavor, is_pinned: bool) -> f64 {
    usage::pin(is_pinned);
    flavor.runtime().block_on(async {
        let start = Instant::now();
        let contestant = C::start(flavor).await;
        let small = Bytes::from_static(&[7; 64]);
        contestant.echo(small.clone()).await;
        let figure = match work {
            Work::Spawn => start.elapsed().as_secs_f64(),
            Work::Latency { bytes, calls } => latency(&contestant, vec![7; bytes].into(), calls).await,
            Work::Throughput { in_flight, calls } => {
                throughput(&contestant, in_flight, calls / 10).await;
                throughput(&contestant, in_flight, calls).await
            }
            Work::Cpu { calls } => {
                throughput(&contestant, 256, calls / 10).await;
                let both = || usage::cpu(std::process::id()) + usage::cpu(contestant.pid());
                let before = both();
                throughput(&contestant, 256, calls).await;
                (both() - before).as_secs_f64() / calls as f64
            }
            Work::Memory => {
                latency(&contestant, small, 1_000).await;
                usage::resident(contestant.pid()) as f64
            }
        };
        contestant.stop().await;
        figure
    })
}

pub async fn latency<C: Contestant>(contestant: &C, data: Bytes, calls: usize) -> f64 {
    for _ in 0..calls / 10 {
        contestant.echo(data.clone()).await;
    }
    let mut times = Vec::with_capacity(calls);
    for _ in 0..calls {
        let start = Instant::now();
        contestant.echo(data.clone()).await;
        times.push(start.elapsed());
    }
    times.sort_unstable();
    times[calls / 2].as_secs_f64()
}

pub async fn throughput<C: Contestant>(contestant: &C, in_flight: usize, calls: usize) -> f64 {
    throughput_of(contestant, Bytes::from_static(&[7; 64]), in_flight, calls).await
}

pub async fn throughput_of<C: Contestant>(
    contestant: &C,
    data: Bytes,
    in_flight: usize,
    calls: usize,
) -> f64 {
    let echo = || contestant.echo(data.clone());
    let mut echoes: FuturesUnordered<_> = (0..in_flight).map(|_| echo()).collect();
    let start = Instant::now();
    for _ in 0..calls {
        echoes.next().await;
        echoes.push(echo());
    }
    let took = start.elapsed();
    while echoes.next().await.is_some() {}
    took.as_secs_f64() / calls as f64
}
