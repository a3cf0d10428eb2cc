//! What a user would pick otherwise, in the same run: each with what it takes, and as a ratio to raw-tokio.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::contestant::{IpcChannel, Ours, RawStd, RawTokio, Tarpc, Zbus};
use crate::figures::Figures;
use crate::flavor::Flavor::CurrentThread;
use crate::usage::Load;
use crate::work::{Work, round};

struct Column {
    name: &'static str,
    work: Work,
    is_pinned: bool,
}

const COLUMNS: [Column; 7] = [
    Column { name: "spawn", work: Work::Spawn, is_pinned: false },
    Column { name: "64 B, pinned", work: Work::Latency { bytes: 64, calls: 10_000 }, is_pinned: true },
    Column { name: "100 kB, pinned", work: Work::Latency { bytes: 100_000, calls: 1_000 }, is_pinned: true },
    Column { name: "10 MB", work: Work::Latency { bytes: 10_000_000, calls: 10 }, is_pinned: false },
    Column {
        name: "256 in flight",
        work: Work::Throughput { in_flight: 256, calls: 50_000 },
        is_pinned: false,
    },
    Column { name: "processor, 256 in flight", work: Work::Cpu { calls: 50_000 }, is_pinned: false },
    Column { name: "memory", work: Work::Memory, is_pinned: false },
];

type Round = fn(&Column) -> f64;

macro_rules! contestants {
    ($($name:literal: $contestant:ty),* $(,)?) => {
        [$(($name, (|column| round::<$contestant>(column.work, CurrentThread, column.is_pinned)) as Round)),*]
    };
}

/// Prints a Markdown table: medians of `rounds`, in which each contestant has its turn after the other.
pub fn measure(rounds: usize) {
    let contestants = contestants!(
        "raw-tokio": RawTokio,
        "raw-std": RawStd,
        "isolated-workers": Ours,
        "ipc-channel": IpcChannel,
        "tarpc, bincode": Tarpc,
        "zbus, peer to peer": Zbus,
    );
    let load = Load::watch();
    let mut table = vec![String::new(); contestants.len()];
    for column in &COLUMNS {
        let rounds = if matches!(column.work, Work::Spawn) { 10 * rounds } else { rounds };
        let mut figures: Vec<Figures> = contestants.iter().map(|_| Figures(Vec::new())).collect();
        for _ in 0..rounds {
            for ((name, round), figures) in contestants.iter().zip(&mut figures) {
                // One that cannot do this has no figure, and its panic says why.
                match catch_unwind(AssertUnwindSafe(|| round(column))) {
                    Ok(figure) => figures.0.push(figure),
                    Err(_) => eprintln!("{name} failed at: {}", column.name),
                }
            }
        }
        let base = figures[0].median();
        for (row, figures) in table.iter_mut().zip(&figures) {
            *row += &if figures.0.len() == rounds {
                let figure = figures.median();
                format!(" {} ({:.2}x) |", column.work.shown(figure), figure / base)
            } else {
                " - |".to_owned()
            };
        }
    }
    println!("| | {} |", COLUMNS.map(|column| column.name).join(" | "));
    println!("|---|{}", "---:|".repeat(COLUMNS.len()));
    for ((name, _), row) in contestants.iter().zip(table) {
        println!("| {name} |{row}");
    }
    println!("\n{rounds} rounds, {load}");
}
