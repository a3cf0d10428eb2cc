//! CPU time, memory and page faults of processes.

use std::fs;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rustix::thread::{CpuSet, sched_setaffinity};

/// Pins this thread and its children to the first core, or lets them run on all cores.
pub fn pin(is_pinned: bool) {
    // Counted before the first pinning: a pinned thread sees one core.
    let cores = *CORES.get_or_init(|| std::thread::available_parallelism().map_or(1, usize::from));
    let mut set = CpuSet::new();
    (0..if is_pinned { 1 } else { cores }).for_each(|core| set.set(core));
    sched_setaffinity(None, &set).expect("the cores exist");
}

static CORES: OnceLock<usize> = OnceLock::new();

/// Returns the CPU time of all threads of a process.
pub fn cpu(pid: u32) -> Duration {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("a process");
    let ran = tasks.filter_map(|task| {
        let times = fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
        times.split(' ').next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(ran.sum())
}

/// CPU time of this process and a child from some time on.
pub struct CpuOfBoth {
    child: u32,
    before: Duration,
}

impl CpuOfBoth {
    pub fn watch(child: u32) -> Self {
        Self { child, before: cpu(std::process::id()) + cpu(child) }
    }

    /// Returns the CPU time since then, divided by `calls`.
    pub fn each(&self, calls: usize) -> f64 {
        let after = cpu(std::process::id()) + cpu(self.child);
        (after - self.before).as_secs_f64() / calls as f64
    }
}

/// Returns the resident memory of a process, in bytes.
pub fn resident(pid: u32) -> u64 {
    let pages = fs::read_to_string(format!("/proc/{pid}/statm")).expect("a process");
    let resident: u64 = pages.split(' ').nth(1).and_then(|pages| pages.parse().ok()).expect("a number");
    resident * rustix::param::page_size() as u64
}

/// Returns the number of page faults of a process that needed no disk access.
pub fn faults(pid: u32) -> f64 {
    stat(&pid.to_string(), 7) as f64
}

/// Returns the private memory of a process, in bytes.
pub fn private(pid: u32) -> u64 {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).expect("a process");
    let private = rollup.lines().filter(|line| line.starts_with("Private_"));
    private.filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).sum::<u64>() << 10
}

/// Returns a field of `/proc/<pid>/stat`. Field 0 is the state, which follows the name.
fn stat(pid: &str, at: usize) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("a process");
    let (_, rest) = stat.rsplit_once(") ").expect("a name in brackets");
    rest.split(' ').nth(at).and_then(|number| number.parse().ok()).expect("a number")
}

/// CPU time that other processes used during a measurement.
pub struct Load {
    since: Instant,
    busy: u64,
    all: u64,
    own: u64,
}

impl Load {
    pub fn watch() -> Self {
        let (busy, all) = machine();
        Self { since: Instant::now(), busy, all, own: own() }
    }

    /// Returns the note below a table: number of rounds, time taken, and CPU time of others.
    pub fn note(&self, rounds: usize) -> String {
        let now = Self::watch();
        let others = (now.busy - self.busy).saturating_sub(now.own - self.own);
        let part = 100 * others / (now.all - self.all).max(1);
        let rounds = if rounds == 1 { "1 round" } else { &format!("{rounds} rounds") };
        format!("{rounds}, {:.0?}; other processes used {part} % of the CPU time.", self.since.elapsed())
    }
}

/// Returns the CPU time of this process and of its children that have ended, in ticks.
fn own() -> u64 {
    (11..15).map(|at| stat("self", at)).sum()
}

/// Returns the busy time and the total time of all cores since the system was started, in ticks.
fn machine() -> (u64, u64) {
    let stat = fs::read_to_string("/proc/stat").expect("Linux");
    let ticks: Vec<u64> =
        stat.lines().next().unwrap_or("").split_whitespace().skip(1).filter_map(|t| t.parse().ok()).collect();
    let all: u64 = ticks.iter().take(8).sum();
    let idle: u64 = ticks.iter().skip(3).take(2).sum();
    (all - idle, all)
}
