//! What a codec costs, for bytes and for values.

use isolated_workers::{Cbor, Compressed, Json, Postcard};

use crate::contestant::{Choice, Records, Stack};
use crate::flavor::Flavor::CurrentThread;
use crate::row::Row;
use crate::table::{Column, Layout, Table};
use crate::work::{Work, round};

const COLUMNS: [Column; 4] = [
    ("Postcard", bytes_or_record::<Postcard>),
    ("Json", bytes_or_record::<Json>),
    ("Cbor", bytes_or_record::<Cbor>),
    ("Compressed", bytes_or_record::<Compressed<Postcard>>),
];

const RECORD: &str = "10 fields, pinned";
const RECORDS: &str = "10 fields, 256 in flight";

const ROWS: [Row; 6] = [
    Row::new(RECORD, Work::Latency { bytes: 0, calls: 10_000 }).pinned().target(1.15),
    Row::new(RECORDS, Work::Throughput { in_flight: 256, calls: 100_000 }),
    Row::new("64 B, pinned", Work::Latency { bytes: 64, calls: 10_000 }).pinned(),
    Row::new("256 in flight", Work::Throughput { in_flight: 256, calls: 100_000 }),
    Row::new("1 kB, pinned", Work::Latency { bytes: 1_000, calls: 10_000 }).pinned(),
    Row::new("100 kB, pinned", Work::Latency { bytes: 100_000, calls: 1_000 }).pinned(),
];

fn bytes_or_record<C: Choice>(row: &Row) -> f64 {
    match row.name {
        RECORD | RECORDS => round::<Records<C>>(row.work, CurrentThread, row.is_pinned),
        _ => round::<Stack<C>>(row.work, CurrentThread, row.is_pinned),
    }
}

pub fn measure(rounds: usize) -> Table {
    Table::measure("codecs", Layout::Ratios, &COLUMNS, &ROWS, rounds)
}
