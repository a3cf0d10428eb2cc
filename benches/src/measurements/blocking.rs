//! The cost of the blocking client: its calls wait on the thread that makes them, while another
//! thread reads.

use crate::contestants::{BlockingClient, Ours, RawStd, RawTokio};
use crate::flavor::Flavor::{CurrentThread, MultiThread};
use crate::round::{in_task, round};
use crate::row::Row;
use crate::table::{Column, Layout, Table};
use crate::work::Work;

const COLUMNS: [Column; 5] = [
    ("async, one thread", |row| round::<Ours>(row.work, CurrentThread, row.is_pinned)),
    ("async, two threads", |row| in_task(row.work, MultiThread, row.is_pinned)),
    ("blocking", |row| round::<BlockingClient>(row.work, CurrentThread, row.is_pinned)),
    ("raw-tokio", |row| round::<RawTokio>(row.work, CurrentThread, row.is_pinned)),
    ("raw-std", |row| round::<RawStd>(row.work, CurrentThread, row.is_pinned)),
];

const ROWS: [Row; 4] = [
    Row::new("64 B, pinned", Work::Latency { bytes: 64, calls: 10_000 }).pinned(),
    Row::new("64 B", Work::Latency { bytes: 64, calls: 10_000 }),
    Row::new("100 kB", Work::Latency { bytes: 100_000, calls: 1_000 }),
    Row::new("1 MB", Work::Latency { bytes: 1_000_000, calls: 100 }),
];

pub fn measure(rounds: usize) -> Table {
    Table::measure("blocking", Layout::Turned, &COLUMNS, &ROWS, rounds)
}
