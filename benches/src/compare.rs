//! Our stack beside what one writes by hand, in alternating rounds. Only ratios of one run mean anything.

use crate::contestant::{Ours, RawStd, RawTokio};
use crate::figures::Figures;
use crate::flavor::Flavor::{self, CurrentThread, MultiThread};
use crate::usage::Load;
use crate::work::{Work, round};

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

/// Prints a Markdown table. `rounds` of each row; those of `spawn` are many, because each is short.
pub fn measure(rounds: usize) {
    println!("| | isolated-workers | raw-tokio | raw-std | ratio to raw-tokio | quartiles | target | |");
    println!("|---|---:|---:|---:|---:|---:|---:|---|");
    let (mut hold, mut targets) = (0, 0);
    let load = Load::watch();
    for row in &ROWS {
        let rounds = if matches!(row.work, Work::Spawn) { 20 * rounds } else { rounds };
        let mut ours = Figures(Vec::new());
        let mut raw = Figures(Vec::new());
        let mut floor = Figures(Vec::new());
        for _ in 0..rounds {
            raw.0.push(round::<RawTokio>(row.work, CurrentThread, row.is_pinned));
            ours.0.push(round::<Ours>(row.work, row.flavor, row.is_pinned));
            if !matches!(row.work, Work::Throughput { .. } | Work::Cpu { .. }) {
                floor.0.push(round::<RawStd>(row.work, CurrentThread, row.is_pinned));
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
        let floor = if floor.0.is_empty() { "-".to_owned() } else { row.work.shown(floor.median()) };
        println!(
            "| {} | {} | {} | {floor} | {ratio:.2}x | {:.2} to {:.2} | {target} | {verdict} |",
            row.name,
            row.work.shown(ours.median()),
            row.work.shown(raw.median()),
            ratios.at(0.25),
            ratios.at(0.75),
        );
    }
    println!("\n{hold} of {targets} targets hold. {rounds} rounds, {load}");
}
