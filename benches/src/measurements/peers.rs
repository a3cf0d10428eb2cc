//! Our stack next to libraries that a user could choose instead.

use crate::contestants::{Capnp, IpcChannel, Ours, RawStd, RawTokio, Remoc, Tarpc, Tonic, Zbus};
use crate::flavor::Flavor::{CurrentThread, MultiThread};
use crate::round::round;
use crate::row::Row;
use crate::table::{Column, Layout, Table};
use crate::work::Work;

macro_rules! columns {
    ($($name:literal: $contestant:ty, $flavor:expr;)*) => {
        [$(($name, |row| round::<$contestant>(row.work, $flavor, row.is_pinned))),*]
    };
}

const COLUMNS: [Column; 11] = columns! {
    "raw-tokio": RawTokio, CurrentThread;
    "isolated-workers": Ours, CurrentThread;
    "raw-std": RawStd, CurrentThread;
    "ipc-channel": IpcChannel, CurrentThread;
    "tarpc": Tarpc, CurrentThread;
    "tonic": Tonic, CurrentThread;
    "capnp-rpc": Capnp, CurrentThread;
    "remoc": Remoc, CurrentThread;
    "zbus": Zbus, CurrentThread;
    "raw-tokio, two threads": RawTokio, MultiThread;
    "isolated-workers, two threads": Ours, MultiThread;
};

const ROWS: [Row; 11] = [
    Row::new("spawn", Work::Spawn),
    Row::new("64 B, pinned", Work::Latency { bytes: 64, calls: 10_000 }).pinned(),
    Row::new("64 B", Work::Latency { bytes: 64, calls: 10_000 }),
    Row::new("1 kB, pinned", Work::Latency { bytes: 1_000, calls: 10_000 }).pinned(),
    Row::new("100 kB, pinned", Work::Latency { bytes: 100_000, calls: 1_000 }).pinned(),
    Row::new("1 MB", Work::Latency { bytes: 1_000_000, calls: 100 }),
    Row::new("10 MB", Work::Latency { bytes: 10_000_000, calls: 10 }),
    Row::new("16 in flight", Work::Throughput { in_flight: 16, calls: 50_000 }),
    Row::new("256 in flight", Work::Throughput { in_flight: 256, calls: 50_000 }),
    Row::new("CPU time", Work::Cpu { calls: 50_000 }),
    Row::new("memory", Work::Memory),
];

pub fn measure(rounds: usize) -> Table {
    Table::measure("peers", Layout::Turned, &COLUMNS, &ROWS, rounds)
}
