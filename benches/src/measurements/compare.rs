//! Our stack relative to a hand-written tokio connection.

use crate::contestants::{Ours, RawStd, RawTokio};
use crate::flavor::Flavor::{CurrentThread, MultiThread};
use crate::measured::Measured;
use crate::round::{in_task, round};
use crate::row::Row;
use crate::table::{Column, Layout, Table};
use crate::work::Work;

const COLUMNS: [Column; 3] = [
    ("raw-tokio", |row| round::<RawTokio>(row.work, CurrentThread, row.is_pinned)),
    ("isolated-workers", ours),
    ("raw-std", |row| round::<RawStd>(row.work, CurrentThread, row.is_pinned)),
];

/// The kernel's copies are most of the cost of a large body.
const FLOOR: &[&str] = &["raw-std"];

const SMALL: Work = Work::Latency { bytes: 64, calls: 20_000 };
const AT_ONCE: Work = Work::Throughput { in_flight: 256, calls: 300_000 };
const CPU: Work = Work::Cpu { in_flight: 256, calls: 300_000 };

const ROWS: [Row; 17] = [
    Row::new("spawn to first reply", Work::Spawn).pairs(3).target(1.1),
    Row::new("64 B", SMALL).pairs(3).target(0.14),
    Row::new("64 B, pinned", SMALL).pinned().pairs(3).target(0.65),
    Row::new("CPU time, 64 B", Work::Cpu { in_flight: 1, calls: 20_000 }).pairs(3).target(0.35),
    Row::new("1 kB", Work::Latency { bytes: 1_000, calls: 20_000 }).target(0.18),
    Row::new("1 kB, pinned", Work::Latency { bytes: 1_000, calls: 20_000 }).pinned(),
    Row::new("100 kB", Work::Latency { bytes: 100_000, calls: 3_000 }).target_to(0.43, FLOOR),
    Row::new("100 kB, pinned", Work::Latency { bytes: 100_000, calls: 3_000 })
        .pinned()
        .target_to(0.73, FLOOR),
    Row::new("1 MB", Work::Latency { bytes: 1_000_000, calls: 300 }).target_to(0.5, FLOOR),
    Row::new("10 MB", Work::Latency { bytes: 10_000_000, calls: 30 }).target_to(0.54, FLOOR),
    Row::new("page faults, 10 MB", Work::Faults { bytes: 10_000_000, calls: 20 }),
    Row::new("64 B, 16 in flight", Work::Throughput { in_flight: 16, calls: 200_000 }).target(1.0 / 1.8),
    Row::new("64 B, 256 in flight", AT_ONCE).pairs(3).target(1.0 / 1.4),
    Row::new("CPU time, 256 in flight", CPU).pairs(3).target(0.75),
    Row::new("64 B, two threads", SMALL).on_two_threads().pairs(3).target(1.5),
    Row::new("256 in flight, two threads", AT_ONCE).on_two_threads().pairs(3).target(1.0 / 0.9),
    Row::new("memory of a worker", Work::Memory).target(0.55),
];

/// On a runtime of several threads, calls usually come from a task.
fn ours(row: &Row) -> Measured {
    match row.flavor {
        CurrentThread => round::<Ours>(row.work, CurrentThread, row.is_pinned),
        MultiThread => in_task(row.work, MultiThread, row.is_pinned),
    }
}

pub fn measure(rounds: usize) -> Table {
    Table::measure("compare", Layout::Spread, &COLUMNS, &ROWS, rounds)
}
