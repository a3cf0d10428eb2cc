//! The cost of tokio's flavor, on either side.

use crate::contestants::{Ours, RawTokio};
use crate::flavor::Flavor::{self, CurrentThread, MultiThread};
use crate::measured::Measured;
use crate::round::{in_task, round};
use crate::row::Row;
use crate::table::{Column, Layout, Table};
use crate::work::{Flavors, Work};

const COLUMNS: [Column; 7] = [
    ("one thread on both", |row| of(row, CurrentThread, CurrentThread)),
    ("host on two", |row| of(row, MultiThread, CurrentThread)),
    ("worker on two", |row| of(row, CurrentThread, MultiThread)),
    ("both on two", |row| of(row, MultiThread, MultiThread)),
    ("both on two, from a task", |row| in_task(row.work, MultiThread, row.is_pinned)),
    ("raw-tokio, one", |row| round::<RawTokio>(row.work, CurrentThread, row.is_pinned)),
    ("raw-tokio, both on two", |row| round::<RawTokio>(row.work, MultiThread, row.is_pinned)),
];

const ROWS: [Row; 5] = [
    Row::new("64 B, pinned", Work::Latency { bytes: 64, calls: 10_000 }).pinned(),
    Row::new("64 B", Work::Latency { bytes: 64, calls: 10_000 }),
    Row::new("1 MB", Work::Latency { bytes: 1_000_000, calls: 100 }),
    Row::new("256 in flight", Work::Throughput { in_flight: 256, calls: 100_000 }),
    Row::new("CPU time, 256 in flight", Work::Cpu { in_flight: 256, calls: 100_000 }),
];

fn of(row: &Row, host: Flavor, child: Flavor) -> Measured {
    round::<Ours>(row.work, Flavors { host, child }, row.is_pinned)
}

pub fn measure(rounds: usize) -> Table {
    Table::measure("flavors", Layout::Turned, &COLUMNS, &ROWS, rounds)
}
