//! What processes take of the machine.

use std::fmt;
use std::fs;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rustix::thread::{CpuSet, sched_setaffinity};

/// Has this thread, and what it starts, run on the first core alone, or on any.
pub fn pin(is_pinned: bool) {
    // Before any is pinned, which sees one.
    let all = *ALL.get_or_init(|| std::thread::available_parallelism().map_or(1, usize::from));
    let mut set = CpuSet::new();
    (0..if is_pinned { 1 } else { all }).for_each(|core| set.set(core));
    sched_setaffinity(None, &set).expect("these cores are there");
}

static ALL: OnceLock<usize> = OnceLock::new();

/// The time that all threads of a process have run.
pub fn cpu(pid: u32) -> Duration {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("a process");
    let ran = tasks.filter_map(|task| {
        let times = fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
        times.split(' ').next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(ran.sum())
}

/// The resident memory of a process in bytes.
pub fn resident(pid: u32) -> u64 {
    let pages = fs::read_to_string(format!("/proc/{pid}/statm")).expect("a process");
    let resident: u64 = pages.split(' ').nth(1).and_then(|pages| pages.parse().ok()).expect("a number");
    resident * rustix::param::page_size() as u64
}

/// How busy the machine is while something is measured, also with what others do on it.
pub struct Load {
    since: Instant,
    ticks: (u64, u64),
}

impl Load {
    pub fn watch() -> Self {
        Self { since: Instant::now(), ticks: machine() }
    }
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ((busy_before, all_before), (busy, all)) = (self.ticks, machine());
        let part = 100 * (busy - busy_before) / (all - all_before).max(1);
        let took = Duration::from_secs(self.since.elapsed().as_secs());
        write!(f, "{took:?}; the machine's processors were busy for {part} % of it.")
    }
}

/// How much of the machine's time was not idle since it started, and how much there was, in ticks.
fn machine() -> (u64, u64) {
    let stat = fs::read_to_string("/proc/stat").expect("Linux");
    let ticks: Vec<u64> =
        stat.lines().next().unwrap_or("").split_whitespace().skip(1).filter_map(|t| t.parse().ok()).collect();
    let all: u64 = ticks.iter().take(8).sum();
    let idle: u64 = ticks.iter().skip(3).take(2).sum();
    (all - idle, all)
}
