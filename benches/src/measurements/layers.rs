//! The cost of empty middleware. It is less than the difference between two pairs of processes, so
//! all depths share one pair and take turns.

use isolated_workers::layer::NoLayers;

use crate::contestant::Contestant;
use crate::contestants::{Eight, Four, Layered, One, Ours};
use crate::flavor::Flavor::CurrentThread;
use crate::round::figure_of;
use crate::row::Row;
use crate::table::{Layout, Table};
use crate::usage;
use crate::work::Work;

const COLUMNS: [&str; 4] = ["0 layers", "1", "4", "8"];

const ROWS: [Row; 3] = [
    Row::new("64 B, pinned", Work::Latency { bytes: 64, calls: 1_500 }).pinned().target(1.01),
    Row::new("256 in flight", Work::Throughput { in_flight: 256, calls: 50_000 }),
    Row::new("CPU time, 256 in flight, pinned", Work::Cpu { in_flight: 256, calls: 20_000 })
        .pinned()
        .target(1.03),
];

/// Number of turns of each depth in a round.
const TURNS: usize = 30;

fn turns(row: &Row) -> Vec<f64> {
    usage::pin(row.is_pinned);
    CurrentThread.runtime().block_on(async {
        let worker = Ours::start(CurrentThread).await.worker;
        let (none, one) = (Layered::<NoLayers>::over(worker.clone()), Layered::<One>::over(worker.clone()));
        let (four, eight) = (Layered::<Four>::over(worker.clone()), Layered::<Eight>::over(worker.clone()));
        // Warms up, so that no depth pays for the first calls.
        figure_of(&none, row.work).await;
        let mut figures = Vec::new();
        for _ in 0..TURNS {
            figures.push(figure_of(&none, row.work).await.figure);
            figures.push(figure_of(&one, row.work).await.figure);
            figures.push(figure_of(&four, row.work).await.figure);
            figures.push(figure_of(&eight, row.work).await.figure);
        }
        none.stop().await;
        figures
    })
}

pub fn measure(rounds: usize) -> Table {
    Table::measure_together("layers", Layout::Ratios, &COLUMNS, &ROWS, rounds, turns)
}
