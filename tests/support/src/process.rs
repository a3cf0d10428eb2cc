//! Processes: pidfds, and state from `/proc`.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, Signal, pidfd_getfd, pidfd_open, pidfd_send_signal};

/// Pidfd of a process. It refers to the same process even if the kernel reuses the process id.
#[derive(Debug)]
pub struct PidFd(OwnedFd);

impl PidFd {
    /// Opens the process.
    ///
    /// # Panics
    /// If there is no such process.
    pub fn open(pid: u32) -> Self {
        Self::try_open(pid).expect("a process with this id")
    }

    /// Opens the process. Returns `None` if there is no such process.
    pub fn try_open(pid: u32) -> Option<Self> {
        let pid = Pid::from_raw(pid.cast_signed())?;
        pidfd_open(pid, PidfdFlags::empty()).ok().map(Self)
    }

    /// Sends a signal.
    ///
    /// # Panics
    /// If the process has ended.
    pub fn signal(&self, signal: Signal) {
        self.try_signal(signal).unwrap();
    }

    /// Sends a signal. Returns an error if the process has ended.
    pub fn try_signal(&self, signal: Signal) -> Result<(), Errno> {
        pidfd_send_signal(&self.0, signal)
    }

    /// Copies of all open descriptors of the process.
    ///
    /// # Panics
    /// If this process may not copy them.
    pub fn copy_descriptors(&self) -> Vec<OwnedFd> {
        let copy = |number| match pidfd_getfd(&self.0, number, PidfdGetfdFlags::empty()) {
            Err(Errno::BADF) => None,
            copied => Some(copied.unwrap()),
        };
        (0..256).filter_map(copy).collect()
    }

    /// Returns `true` if the process has ended.
    pub fn has_ended(&self) -> bool {
        self.ends_within(Duration::ZERO)
    }

    /// Blocks until the process ends or `limit` has passed. Returns `true` if the process has
    /// ended.
    pub fn ends_within(&self, limit: Duration) -> bool {
        let end = Instant::now() + limit;
        loop {
            let left = Timespec::try_from(end.saturating_duration_since(Instant::now())).unwrap();
            match poll(&mut [PollFd::new(&self.0, PollFlags::IN)], Some(&left)) {
                // SIGCHLD for the child of another test interrupted this thread.
                Err(Errno::INTR) => {}
                ready => return ready.unwrap() == 1,
            }
        }
    }
}

/// Kills a process. Does nothing if it has already ended.
pub fn kill(pid: u32) {
    if let Some(process) = PidFd::try_open(pid) {
        let _ = process.try_signal(Signal::KILL);
    }
}

/// All processes: id and folder in `/proc`.
pub fn all() -> impl Iterator<Item = (u32, PathBuf)> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    entries.filter_map(|path| Some((path.file_name()?.to_str()?.parse().ok()?, path)))
}

/// Ids of the children of a process, zombies included.
pub fn children_of(parent: u32) -> Vec<u32> {
    all().filter(|(_, folder)| parent_of(folder) == Some(parent)).map(|(pid, _)| pid).collect()
}

/// Ids of the children of this process, zombies included.
pub fn children() -> Vec<u32> {
    children_of(std::process::id())
}

fn parent_of(folder: &Path) -> Option<u32> {
    let stat = std::fs::read_to_string(folder.join("stat")).ok()?;
    // The format is `pid (name) state parent …`. The name may contain any character.
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

/// Number of open descriptors of this process.
pub fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Number of threads of this process.
pub fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").unwrap().count()
}

/// Resident memory of this process in KiB.
pub fn resident_kib() -> usize {
    kib(std::process::id(), "VmRSS")
}

/// Peak resident memory of this process in KiB.
pub fn peak_resident_kib() -> usize {
    peak_resident_kib_of(std::process::id())
}

/// Peak resident memory of a process in KiB.
pub fn peak_resident_kib_of(pid: u32) -> usize {
    kib(pid, "VmHWM")
}

fn kib(pid: u32, key: &str) -> usize {
    status(pid, key).trim_end_matches(" kB").parse().unwrap()
}

/// Returns `true` if the process ignores the signal.
pub fn ignores(pid: u32, signal: Signal) -> bool {
    is_in_set(pid, "SigIgn", signal)
}

/// Returns `true` if the process has a handler for the signal.
pub fn catches(pid: u32, signal: Signal) -> bool {
    is_in_set(pid, "SigCgt", signal)
}

fn is_in_set(pid: u32, set: &str, signal: Signal) -> bool {
    u64::from_str_radix(&status(pid, set), 16).unwrap() & 1 << (signal.as_raw() - 1) != 0
}

/// Value of a key in `/proc/PID/status`.
fn status(pid: u32, key: &str) -> String {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let mut lines = status.lines().filter_map(|line| line.split_once(':'));
    let (_, value) = lines.find(|(name, _)| *name == key).expect("a key of /proc/PID/status");
    value.trim().to_owned()
}
