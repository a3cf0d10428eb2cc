//! The cost of a sandbox: at the start, which sets it up, and of a call, whose system calls it
//! checks.

use isolated_workers::codec::Postcard;
use isolated_workers::transport::DefaultTransport;

use crate::contestants::{Confined, ConfinedByLauncher, CrashOnly, Ours, Stack};
use crate::flavor::Flavor::CurrentThread;
use crate::round::round;
use crate::row::Row;
use crate::table::{Column, Layout, Table};
use crate::work::Work;

type With<W> = Stack<Postcard, DefaultTransport, W>;

const COLUMNS: [Column; 4] = [
    ("none", |row| round::<Ours>(row.work, CurrentThread, row.is_pinned)),
    ("`deny_all`", |row| round::<With<Confined>>(row.work, CurrentThread, row.is_pinned)),
    ("`deny_all`, launched", |row| round::<With<ConfinedByLauncher>>(row.work, CurrentThread, row.is_pinned)),
    ("`crash_only`", |row| round::<With<CrashOnly>>(row.work, CurrentThread, row.is_pinned)),
];

const SMALL: Work = Work::Latency { bytes: 64, calls: 20_000 };

const ROWS: [Row; 4] = [
    Row::new("spawn to first reply", Work::Spawn).pairs(3),
    Row::new("spawn to first reply, pinned", Work::Spawn).pinned().pairs(3),
    Row::new("64 B, pinned", SMALL).pinned().pairs(3).target(1.02),
    Row::new("CPU time, 64 B", Work::Cpu { in_flight: 1, calls: 20_000 }).pairs(3).target(1.02),
];

pub fn measure(rounds: usize) -> Table {
    Table::measure("sandbox", Layout::Ratios, &COLUMNS, &ROWS, rounds)
}
