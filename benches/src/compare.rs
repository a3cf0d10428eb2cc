//! Our stack beside what one writes by hand, in alternating rounds. Only ratios of one run mean anything.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use crate::contestant::{Contestant, Ours, RawStd, RawTokio};
use crate::flavor::Flavor::{self, CurrentThread, MultiThread};
use crate::usage;

/// What is done in one round, in seconds or bytes: less is better.
#[derive(Clone, Copy)]
enum Work {
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

struct Row {
    name: &'static str,
    work: Work,
    flavor: Flavor,
    is_pinned: bool,
    /// What the ratio to raw-tokio on one thread is to be at most.
    target: Option<f64>,
}

const fn row(name: &'static str, work: Work, target: Option<f64>) -> Row {
    Row { name, work, flavor: CurrentThread, is_pinned: false, target }
}

impl Row {
    const fn pinned(mut self) -> Self {
        self.is_pinned = true;
        self
    }

    const fn on_two_threads(mut self) -> Self {
        self.flavor = MultiThread;
        self
    }
}

const ROWS: [Row; 13] = [
    row("spawn to first reply", Work::Spawn, Some(1.1)),
    row("64 B, pinned", Work::Latency { bytes: 64, calls: 20_000 }, Some(0.85)).pinned(),
    row("64 B", Work::Latency { bytes: 64, calls: 20_000 }, None),
    row("1 kB, pinned", Work::Latency { bytes: 1_000, calls: 20_000 }, None).pinned(),
    row("100 kB, pinned", Work::Latency { bytes: 100_000, calls: 3_000 }, Some(0.65)).pinned(),
    row("1 MB", Work::Latency { bytes: 1_000_000, calls: 300 }, None),
    row("10 MB", Work::Latency { bytes: 10_000_000, calls: 30 }, Some(0.20)),
    row("64 B, 16 in flight", Work::Throughput { in_flight: 16, calls: 200_000 }, None),
    row("64 B, 256 in flight", Work::Throughput { in_flight: 256, calls: 300_000 }, Some(1.0 / 1.4)),
    row("processor, 256 in flight", Work::Cpu { calls: 300_000 }, Some(0.55)),
    row("64 B, two threads", Work::Latency { bytes: 64, calls: 20_000 }, Some(1.5)).on_two_threads(),
    row("256 in flight, two threads", Work::Throughput { in_flight: 256, calls: 200_000 }, Some(1.0 / 0.55))
        .on_two_threads(),
    row("memory of a worker", Work::Memory, Some(0.65)),
];

/// One round of a contestant.
fn round<C: Contestant>(row: &Row, flavor: Flavor) -> f64 {
    usage::pin(row.is_pinned);
    flavor.runtime().block_on(async {
        let start = Instant::now();
        let contestant = C::start(flavor).await;
        let small = Bytes::from_static(&[7; 64]);
        contestant.echo(small.clone()).await;
        let figure = match row.work {
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
    let echo = || contestant.echo(Bytes::from_static(&[7; 64]));
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

/// The figures of a row, one a round.
pub struct Figures(pub Vec<f64>);

impl Figures {
    pub fn at(&self, part: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        sorted[((sorted.len() - 1) as f64 * part).round() as usize]
    }

    pub fn median(&self) -> f64 {
        self.at(0.5)
    }
}

/// Prints a Markdown table. `rounds` of each row; those of `spawn` are many, because each is short.
pub fn measure(rounds: usize) {
    println!("| | isolated-workers | raw-tokio | raw-std | ratio to raw-tokio | quartiles | target | |");
    println!("|---|---:|---:|---:|---:|---:|---:|---|");
    let (mut hold, mut targets) = (0, 0);
    let (busy, all) = usage::machine();
    let start = Instant::now();
    for row in &ROWS {
        let rounds = if matches!(row.work, Work::Spawn) { 20 * rounds } else { rounds };
        let mut ours = Figures(Vec::new());
        let mut raw = Figures(Vec::new());
        let mut floor = Figures(Vec::new());
        for _ in 0..rounds {
            raw.0.push(round::<RawTokio>(row, CurrentThread));
            ours.0.push(round::<Ours>(row, row.flavor));
            if !matches!(row.work, Work::Throughput { .. } | Work::Cpu { .. }) {
                floor.0.push(round::<RawStd>(row, CurrentThread));
            }
        }
        let ratios = Figures(ours.0.iter().zip(&raw.0).map(|(ours, raw)| ours / raw).collect());
        let ratio = ratios.median();
        let (target, verdict) = match row.target {
            Some(target) => {
                targets += 1;
                hold += usize::from(ratio <= target);
                (format!("{target:.2}x"), if ratio <= target { "holds" } else { "does not hold" })
            }
            None => (String::new(), ""),
        };
        let floor = if floor.0.is_empty() { "-".to_owned() } else { shown(row.work, floor.median()) };
        println!(
            "| {} | {} | {} | {floor} | {ratio:.2}x | {:.2} to {:.2} | {target} | {verdict} |",
            row.name,
            shown(row.work, ours.median()),
            shown(row.work, raw.median()),
            ratios.at(0.25),
            ratios.at(0.75),
        );
    }
    let (busy, all) = (usage::machine().0 - busy, usage::machine().1 - all);
    println!(
        "\n{hold} of {targets} targets hold. {rounds} rounds, {:?}; the machine's processors were busy for {} % of it.",
        Duration::from_secs(start.elapsed().as_secs()),
        100 * busy / all.max(1)
    );
}

fn shown(work: Work, figure: f64) -> String {
    match work {
        Work::Memory => format!("{:.2} MiB", figure / f64::from(1 << 20)),
        _ if figure >= 1e-3 => format!("{:.2} ms", figure * 1e3),
        _ => format!("{:.2} µs", figure * 1e6),
    }
}
