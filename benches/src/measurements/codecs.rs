//! The cost of a codec, for bytes and for values.

use std::hint::black_box;
use std::time::Instant;

use bytes::BytesMut;
use isolated_workers::codec::{Cbor, Compressed, Json, Postcard};

use crate::contestants::{CodecChoice, Noise, Records, Stack};
use crate::flavor::Flavor::CurrentThread;
use crate::measured::Measured;
use crate::round::round;
use crate::row::Row;
use crate::service::Record;
use crate::table::{Column, Layout, Table};
use crate::work::Work;

const COLUMNS: [Column; 4] = [
    ("Postcard", bytes_or_record::<Postcard>),
    ("Json", bytes_or_record::<Json>),
    ("Cbor", bytes_or_record::<Cbor>),
    ("Compressed", bytes_or_record::<Compressed<Postcard>>),
];

const RECORD: &str = "10 fields, pinned";
const RECORDS: &str = "10 fields, 256 in flight";
const VALUES: &str = "10 fields, the values alone";

const NOISE: &str = "100 kB of noise, pinned";

const ROWS: [Row; 8] = [
    Row::new(RECORD, Work::Latency { bytes: 0, calls: 10_000 }).pinned().pairs(3).target(1.15),
    Row::new(RECORDS, Work::Throughput { in_flight: 256, calls: 100_000 }),
    Row::new(VALUES, Work::Latency { bytes: 0, calls: VALUES_MADE }),
    Row::new("64 B, pinned", Work::Latency { bytes: 64, calls: 10_000 }).pinned(),
    Row::new("256 in flight", Work::Throughput { in_flight: 256, calls: 100_000 }),
    Row::new("1 kB, pinned", Work::Latency { bytes: 1_000, calls: 10_000 }).pinned(),
    Row::new("100 kB, pinned", Work::Latency { bytes: 100_000, calls: 1_000 }).pinned(),
    Row::new(NOISE, Work::Latency { bytes: 100_000, calls: 1_000 }).pinned(),
];

const VALUES_MADE: usize = 50_000;

fn bytes_or_record<C: CodecChoice>(row: &Row) -> Measured {
    match row.name {
        RECORD | RECORDS => round::<Records<Stack<C>>>(row.work, CurrentThread, row.is_pinned),
        NOISE => round::<Noise<Stack<C>>>(row.work, CurrentThread, row.is_pinned),
        VALUES => values::<C>().into(),
        _ => round::<Stack<C>>(row.work, CurrentThread, row.is_pinned),
    }
}

/// Encodes and decodes two values, as a call and its reply do, and nothing else. Returns the time
/// per pair.
fn values<C: CodecChoice>() -> f64 {
    let (codec, record, mut bytes) = (C::default(), Record::example(), BytesMut::new());
    let start = Instant::now();
    for _ in 0..2 * VALUES_MADE {
        bytes.clear();
        codec.encode(black_box(&record), &mut bytes).expect("every codec encodes a record");
        black_box(codec.decode::<Record>(&bytes).expect("a record was encoded"));
    }
    start.elapsed().as_secs_f64() / VALUES_MADE as f64
}

pub fn measure(rounds: usize) -> Table {
    Table::measure("codecs", Layout::Ratios, &COLUMNS, &ROWS, rounds)
}
