//! Our stack next to hand-written connections and to libraries that a user could choose instead.

use crate::contestant::Contestant;
#[cfg(feature = "peers")]
use crate::contestants::{Capnp, IpcChannel, Remoc, Tarpc, Tonic, Vox, Zbus};
use crate::contestants::{Ours, RawStd, RawStdRecords, RawTokio, Records};
use crate::flavor::Flavor::{self, CurrentThread, MultiThread};
use crate::measured::Measured;
use crate::round::round;
use crate::row::Row;
use crate::table::{Column, Layout, Table};
use crate::work::Work;

const COLUMNS: &[Column] = &[
    ("raw-tokio", |row| of::<RawTokio, Records<RawTokio>>(row, CurrentThread)),
    ("isolated-workers", |row| of::<Ours, Records<Ours>>(row, CurrentThread)),
    ("raw-std", |row| of::<RawStd, RawStdRecords>(row, CurrentThread)),
    #[cfg(feature = "peers")]
    ("ipc-channel", |row| of::<IpcChannel, Records<IpcChannel>>(row, CurrentThread)),
    #[cfg(feature = "peers")]
    ("tarpc", |row| of::<Tarpc, Records<Tarpc>>(row, CurrentThread)),
    #[cfg(feature = "peers")]
    ("tonic", |row| of::<Tonic, Records<Tonic>>(row, CurrentThread)),
    #[cfg(feature = "peers")]
    ("capnp-rpc", |row| of::<Capnp, Records<Capnp>>(row, CurrentThread)),
    #[cfg(feature = "peers")]
    ("remoc", |row| of::<Remoc, Records<Remoc>>(row, CurrentThread)),
    #[cfg(feature = "peers")]
    ("vox", |row| of::<Vox, Records<Vox>>(row, CurrentThread)),
    #[cfg(feature = "peers")]
    ("zbus", |row| of::<Zbus, Records<Zbus>>(row, CurrentThread)),
    ("raw-tokio, two threads", |row| of::<RawTokio, Records<RawTokio>>(row, MultiThread)),
    ("isolated-workers, two threads", |row| of::<Ours, Records<Ours>>(row, MultiThread)),
];

fn of<C: Contestant, R: Contestant>(row: &Row, flavor: Flavor) -> Measured {
    match row.name {
        RECORD => round::<R>(row.work, flavor, row.is_pinned),
        _ => round::<C>(row.work, flavor, row.is_pinned),
    }
}

const RECORD: &str = "10 fields";

/// Calls of 64 B.
const IN_FLIGHT: [Row; 5] = [
    in_flight("1 in flight", 1, 4_000),
    in_flight("4", 4, 10_000),
    in_flight("16", 16, 30_000),
    in_flight("64", 64, 50_000),
    in_flight("256", 256, 50_000),
];

/// One call at a time.
const BODIES: [Row; 6] = [
    body("64 B", 64, 5_000),
    body("1 kB", 1_000, 5_000),
    body("100 kB", 100_000, 1_000),
    body("1 MB", 1_000_000, 100),
    body("10 MB", 10_000_000, 10),
    body(RECORD, 0, 5_000),
];

const PROCESSES: [Row; 2] = [Row::new("spawn", Work::Spawn), Row::new("memory", Work::Memory)];

const fn in_flight(name: &'static str, in_flight: usize, calls: usize) -> Row {
    Row::new(name, Work::Throughput { in_flight, calls }).with_cpu()
}

const fn body(name: &'static str, bytes: usize, calls: usize) -> Row {
    Row::new(name, Work::Latency { bytes, calls }).with_cpu()
}

pub fn measure(rounds: usize) -> [Table; 5] {
    [
        ("peers-in-flight", IN_FLIGHT.to_vec()),
        ("peers-in-flight-pinned", IN_FLIGHT.map(Row::pinned).to_vec()),
        ("peers-bodies", BODIES.to_vec()),
        ("peers-bodies-pinned", BODIES.map(Row::pinned).to_vec()),
        ("peers-processes", PROCESSES.to_vec()),
    ]
    .map(|(name, rows)| Table::measure(name, Layout::Turned, COLUMNS, &rows, rounds))
}
