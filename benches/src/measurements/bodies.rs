//! Large bodies over a socket, in shared memory, and as pages through a pipe.

use crate::contestants::{Ours, RawStd, RawTokio, Sealed, Spliced};
use crate::flavor::Flavor::CurrentThread;
use crate::round::round;
use crate::row::Row;
use crate::table::{Column, Layout, Table};
use crate::work::Work;

const COLUMNS: [Column; 5] = [
    ("raw-tokio", |row| round::<RawTokio>(row.work, CurrentThread, row.is_pinned)),
    ("isolated-workers", |row| round::<Ours>(row.work, CurrentThread, row.is_pinned)),
    ("raw-std", |row| round::<RawStd>(row.work, CurrentThread, row.is_pinned)),
    ("sealed memory", |row| round::<Sealed>(row.work, CurrentThread, row.is_pinned)),
    ("spliced pages", |row| round::<Spliced>(row.work, CurrentThread, row.is_pinned)),
];

const ROWS: [Row; 3] = [
    Row::new("100 kB, pinned", Work::Latency { bytes: 100_000, calls: 3_000 }).pinned(),
    Row::new("1 MB", Work::Latency { bytes: 1_000_000, calls: 300 }),
    Row::new("10 MB", Work::Latency { bytes: 10_000_000, calls: 30 }),
];

pub fn measure(rounds: usize) -> Table {
    Table::measure("bodies", Layout::Ratios, &COLUMNS, &ROWS, rounds)
}
