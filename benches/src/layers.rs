//! What empty middleware costs.

use isolated_workers::{NoLayers, Postcard};

use crate::contestant::{Depth, Eight, Four, One, Stack};
use crate::flavor::Flavor::CurrentThread;
use crate::row::Row;
use crate::table::{Column, Layout, Table};
use crate::work::{Work, round};

const COLUMNS: [Column; 4] = [
    ("0 layers", through::<NoLayers>),
    ("1", through::<One>),
    ("4", through::<Four>),
    ("8", through::<Eight>),
];

const ROWS: [Row; 3] = [
    Row::new("64 B, pinned", Work::Latency { bytes: 64, calls: 5_000 }).pinned().pairs(8).target(1.01),
    Row::new("256 in flight", Work::Throughput { in_flight: 256, calls: 100_000 }).pairs(8),
    Row::new("processor, 256 in flight", Work::Cpu { calls: 100_000 }).pairs(8).target(1.03),
];

fn through<L: Depth>(row: &Row) -> f64 {
    round::<Stack<Postcard, L>>(row.work, CurrentThread, row.is_pinned)
}

pub fn measure(rounds: usize) -> Table {
    Table::measure("layers", Layout::Ratios, &COLUMNS, &ROWS, rounds)
}
