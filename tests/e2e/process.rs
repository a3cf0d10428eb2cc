//! Other processes, watched without reusing a number.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// A process that is held on to, so that its number cannot become that of another.
pub(crate) struct Watched(OwnedFd);

impl Watched {
    pub(crate) fn new(pid: u32) -> Self {
        Self::try_new(pid).expect("the process is there")
    }

    /// `None`: there is no such process.
    pub(crate) fn try_new(pid: u32) -> Option<Self> {
        let pid = Pid::from_raw(pid.cast_signed())?;
        pidfd_open(pid, PidfdFlags::empty()).ok().map(Self)
    }

    pub(crate) fn signal(&self, signal: Signal) {
        pidfd_send_signal(&self.0, signal).unwrap();
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ends_within(Duration::ZERO)
    }

    /// Whether the process ends within this time.
    pub(crate) fn ends_within(&self, limit: Duration) -> bool {
        let end = Instant::now() + limit;
        loop {
            let left = Timespec::try_from(end.saturating_duration_since(Instant::now())).unwrap();
            match poll(&mut [PollFd::new(&self.0, PollFlags::IN)], Some(&left)) {
                // The child of another test has ended, and this thread was chosen to hear of it.
                Err(Errno::INTR) => {}
                ready => return ready.unwrap() == 1,
            }
        }
    }
}

/// The open descriptors of this process.
pub(crate) fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// The threads of this process.
pub(crate) fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").unwrap().count()
}

/// The resident memory of this process in KiB.
pub(crate) fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    resident.trim().trim_end_matches(" kB").parse().unwrap()
}

/// The children of this process, zombies included.
pub(crate) fn children() -> Vec<u32> {
    let own = std::process::id();
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| parent(*pid) == Some(own)).collect()
}

fn parent(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold anything.
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}
