//! The settings of `Latency`, on an idle machine and beside processes that keep every core busy.

use std::process::{Child, Command};
use std::time::{Duration, Instant};

use isolated_workers::codec::Postcard;
use isolated_workers::transport::DefaultTransport;

use crate::contestant::Contestant;
use crate::contestants::{Frugal, Ours, RawTokio, Stack};
use crate::flavor::Flavor::CurrentThread;
use crate::measured::Measured;
use crate::round::round;
use crate::row::Row;
use crate::table::{Column, Layout, Table};
use crate::work::Work;

const COLUMNS: [Column; 3] = [
    ("`Frugal`", of::<Stack<Postcard, DefaultTransport, Frugal>>),
    ("`Balanced`", of::<Ours>),
    ("raw-tokio", of::<RawTokio>),
];

const SMALL: Work = Work::Latency { bytes: 64, calls: 5_000 };
const SIXTEEN: Work = Work::Throughput { in_flight: 16, calls: 50_000 };
const MANY: Work = Work::Throughput { in_flight: 256, calls: 100_000 };
const LARGE: Work = Work::Latency { bytes: 100_000, calls: 2_000 };

/// End of the names of the rows that are measured beside busy processes.
const BUSY: &str = "busy";

const ROWS: [Row; 10] = [
    Row::new("64 B", SMALL).pairs(3).with_cpu(),
    Row::new("64 B, pinned", SMALL).pinned().pairs(3).with_cpu(),
    Row::new("100 kB", LARGE).pairs(3).with_cpu(),
    Row::new("16 in flight", SIXTEEN).pairs(3).with_cpu(),
    Row::new("256 in flight", MANY).pairs(3).with_cpu(),
    Row::new("64 B, busy", SMALL).pairs(3).with_cpu(),
    Row::new("64 B, pinned, busy", SMALL).pinned().pairs(3).with_cpu(),
    Row::new("100 kB, busy", LARGE).pairs(3).with_cpu(),
    Row::new("16 in flight, busy", SIXTEEN).pairs(3).with_cpu(),
    Row::new("256 in flight, busy", MANY).pairs(3).with_cpu(),
];

pub fn measure(rounds: usize) -> Table {
    Table::measure("latency", Layout::Ratios, &COLUMNS, &ROWS, rounds)
}

fn of<C: Contestant>(row: &Row) -> Measured {
    let _busy = row.name.ends_with(BUSY).then(BusyCores::start);
    round::<C>(row.work, CurrentThread, row.is_pinned)
}

/// A process for each core that keeps it busy.
struct BusyCores(Vec<Child>);

impl BusyCores {
    fn start() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let program = std::env::current_exe().expect("this program");
        let busy = || Command::new(&program).arg(BUSY).spawn().expect("a process");
        Self((0..cores).map(|_| busy()).collect())
    }
}

impl Drop for BusyCores {
    fn drop(&mut self) {
        for child in &mut self.0 {
            child.kill().and_then(|()| child.wait()).expect("a child that was not waited for");
        }
    }
}

/// Keeps a core busy until it is killed, or for two minutes if its parent was killed.
pub fn be_busy() {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(120) {
        std::hint::spin_loop();
    }
}
