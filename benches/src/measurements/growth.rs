//! The cost of a call as calls in flight, bodies and workers grow. It should stay flat.

use crate::contestants::{Ours, RawTokio};
use crate::flavor::Flavor::CurrentThread;
use crate::round::round;
use crate::row::Row;
use crate::table::{Column, Layout, Table};
use crate::work::Work;

const COLUMNS: [Column; 2] = [
    ("raw-tokio", |row| round::<RawTokio>(row.work, CurrentThread, row.is_pinned)),
    ("isolated-workers", |row| round::<Ours>(row.work, CurrentThread, row.is_pinned)),
];

const fn in_flight(name: &'static str, in_flight: usize) -> Row {
    Row::new(name, Work::Throughput { in_flight, calls: 200_000 })
}

/// Time per call.
const IN_FLIGHT: [Row; 5] = [
    in_flight("1 in flight", 1),
    in_flight("10", 10),
    in_flight("100", 100),
    in_flight("1,000", 1_000),
    in_flight("10,000", 10_000),
];

const fn body(name: &'static str, bytes: usize, calls: usize) -> Row {
    Row::new(name, Work::EachMegabyte { bytes, calls }).pinned()
}

/// Time per megabyte (10^6 bytes) of a body.
const BODY: [Row; 7] = [
    body("1 kB", 1_000, 2_000),
    body("10 kB", 10_000, 1_000),
    body("100 kB", 100_000, 500),
    body("1 MB", 1_000_000, 100),
    body("10 MB", 10_000_000, 10),
    body("100 MB", 100_000_000, 3),
    body("256 MB", 256_000_000, 3),
];

const fn workers(name: &'static str, workers: usize) -> Row {
    Row::new(name, Work::Workers { workers, calls: 200_000 })
}

const fn start(name: &'static str, workers: usize) -> Row {
    Row::new(name, Work::SpawnMany { workers })
}

/// Time per call over all workers, and the time of their start.
const WORKERS: [Row; 9] = [
    workers("1 worker", 1),
    workers("4 workers", 4),
    workers("16 workers", 16),
    workers("64 workers", 64),
    workers("256 workers", 256),
    workers("1,000 workers", 1_000),
    start("start of 1", 1),
    start("start of 32", 32),
    start("start of 256", 256),
];

pub fn measure(rounds: usize) -> [Table; 3] {
    [("in-flight", &IN_FLIGHT[..]), ("body", &BODY), ("workers", &WORKERS)]
        .map(|(name, rows)| Table::measure(name, Layout::Ratios, &COLUMNS, rows, rounds))
}
