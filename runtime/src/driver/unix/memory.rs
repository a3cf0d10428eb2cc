//! Evidence that the system has killed a process for want of memory.
//!
//! Linux counts such kills for each control group, and for the whole machine; it does not say whom they hit. Where no such
//! count can be read, as on other systems, there is no evidence.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long after a kill was counted it may be that of a worker that is found dead. Several that die together are found one
/// after the other.
const TOGETHER: Duration = Duration::from_secs(1);

/// The count for this process's control group and those below it, or for the machine.
struct Counter {
    file: PathBuf,
    seen: u64,
    grown: Option<Instant>,
}

static COUNTER: Mutex<Option<Counter>> = Mutex::new(None);

/// Looks at the count for the first time: later calls do nothing. Called before the first worker can have done anything.
pub(super) fn begin() {
    let mut counter = lock();
    if counter.is_none() {
        *counter = Some(Counter::new(Path::new("/")));
    }
}

/// Whether processes have been killed for want of memory since it was last asked, or a moment before.
pub(super) fn has_run_out() -> bool {
    lock().as_mut().is_some_and(Counter::has_grown)
}

fn lock() -> MutexGuard<'static, Option<Counter>> {
    COUNTER.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Counter {
    fn new(root: &Path) -> Self {
        let own = own_group(root).filter(|file| kills(file).is_some());
        let file = own.unwrap_or_else(|| root.join("proc/vmstat"));
        let seen = kills(&file).unwrap_or(0);
        Self { file, seen, grown: None }
    }

    fn has_grown(&mut self) -> bool {
        let now = kills(&self.file).unwrap_or(self.seen);
        if now > self.seen {
            self.grown = Some(Instant::now());
        }
        self.seen = now;
        self.grown.is_some_and(|grown| grown.elapsed() < TOGETHER)
    }
}

/// The file of the control group that this process is in (version 2).
fn own_group(root: &Path) -> Option<PathBuf> {
    let groups = fs::read_to_string(root.join("proc/self/cgroup")).ok()?;
    let path = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    Some(root.join("sys/fs/cgroup").join(path).join("memory.events"))
}

/// The number in a file of lines such as "oom_kill 3".
fn kills(file: &Path) -> Option<u64> {
    let counts = fs::read_to_string(file).ok()?;
    counts.lines().find_map(|line| line.strip_prefix("oom_kill "))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder with the files of a system, which is removed again.
    struct System(PathBuf);

    impl System {
        fn new(name: &str) -> Self {
            let root = std::env::temp_dir().join(format!("isolated-workers-{name}-{}", std::process::id()));
            let system = Self(root);
            system.write("proc/vmstat", "nr_free_pages 1\noom_kill 5\noom_kill_other 9\n");
            system
        }

        fn write(&self, file: &str, text: &str) {
            let file = self.0.join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
    }

    impl Drop for System {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).unwrap();
        }
    }

    #[test]
    fn the_count_of_the_control_group_is_evidence_and_that_of_the_machine_is_none_then() {
        let system = System::new("grouped");
        system.write("proc/self/cgroup", "4:memory:/elsewhere\n0::/user.slice/host\n");
        let events = "sys/fs/cgroup/user.slice/host/memory.events";
        system.write(events, "low 0\noom 4\noom_kill 2\noom_group_kill 0\n");
        let mut counter = Counter::new(&system.0);
        assert!(!counter.has_grown(), "what was counted before is not of a worker");
        system.write("proc/vmstat", "oom_kill 6\n");
        assert!(!counter.has_grown());
        system.write(events, "oom 5\noom_kill 3\n");
        assert!(counter.has_grown());
        assert!(counter.has_grown(), "another may have been killed in the same moment");
        counter.grown = counter.grown.and_then(|grown| grown.checked_sub(TOGETHER));
        assert!(!counter.has_grown(), "but not later");
    }

    #[test]
    fn without_a_control_group_of_its_own_the_count_of_the_machine_is_evidence() {
        for groups in [None, Some("4:memory:/v1\n"), Some("0::/\n")] {
            let system = System::new("alone");
            if let Some(groups) = groups {
                system.write("proc/self/cgroup", groups);
            }
            let mut counter = Counter::new(&system.0);
            assert!(!counter.has_grown());
            system.write("proc/vmstat", "oom_kill 6\n");
            assert!(counter.has_grown());
        }
    }

    #[test]
    fn without_any_count_there_is_no_evidence() {
        let mut counter = Counter::new(Path::new("/no/such/system"));
        assert!(!counter.has_grown());
    }
}
