//! Detection of kills by the OOM killer.
//!
//! Linux counts kills for each control group and for the machine, without naming the victim. If no
//! count is readable, as on other systems, no kill is detected.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Time after a counted kill within which a dead worker may be its victim. Workers that are killed
/// together are found dead one after another.
const ATTRIBUTION_WINDOW: Duration = Duration::from_secs(1);

/// Counter of this process's control group and its descendants, or of the machine.
struct OomCounter {
    file: PathBuf,
    seen: u64,
    grown: Option<Instant>,
}

static COUNTER: Mutex<Option<OomCounter>> = Mutex::new(None);

/// Reads the initial count. Later calls do nothing. Called before the first worker runs.
pub(super) fn init() {
    let mut counter = lock();
    if counter.is_none() {
        *counter = Some(OomCounter::new(Path::new("/")));
    }
}

/// Returns `true` if the OOM killer has killed a process since the last call, or shortly before it.
pub(super) fn has_killed() -> bool {
    lock().as_mut().is_some_and(OomCounter::has_grown)
}

fn lock() -> MutexGuard<'static, Option<OomCounter>> {
    COUNTER.lock().unwrap_or_else(PoisonError::into_inner)
}

impl OomCounter {
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
        self.grown.is_some_and(|grown| grown.elapsed() < ATTRIBUTION_WINDOW)
    }
}

/// File of the control group (version 2) of this process.
fn own_group(root: &Path) -> Option<PathBuf> {
    let groups = fs::read_to_string(root.join("proc/self/cgroup")).ok()?;
    let path = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    Some(root.join("sys/fs/cgroup").join(path).join("memory.events"))
}

/// Number in a file's line `oom_kill 3`.
fn kills(file: &Path) -> Option<u64> {
    let counts = fs::read_to_string(file).ok()?;
    counts.lines().find_map(|line| line.strip_prefix("oom_kill "))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Temporary folder that replaces the root of the file system.
    struct FakeRoot(PathBuf);

    impl FakeRoot {
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

    impl Drop for FakeRoot {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).unwrap();
        }
    }

    #[test]
    fn the_count_of_the_control_group_takes_precedence_over_the_machine() {
        let system = FakeRoot::new("grouped");
        system.write("proc/self/cgroup", "4:memory:/elsewhere\n0::/user.slice/host\n");
        let events = "sys/fs/cgroup/user.slice/host/memory.events";
        system.write(events, "low 0\noom 4\noom_kill 2\noom_group_kill 0\n");
        let mut counter = OomCounter::new(&system.0);
        assert!(!counter.has_grown(), "earlier kills do not count");
        system.write("proc/vmstat", "oom_kill 6\n");
        assert!(!counter.has_grown());
        system.write(events, "oom 5\noom_kill 3\n");
        assert!(counter.has_grown());
        assert!(counter.has_grown(), "a second victim may be found in the same moment");
        counter.grown = counter.grown.and_then(|grown| grown.checked_sub(ATTRIBUTION_WINDOW));
        assert!(!counter.has_grown(), "later deaths do not count");
    }

    #[test]
    fn without_a_control_group_the_count_of_the_machine_is_used() {
        for groups in [None, Some("4:memory:/v1\n"), Some("0::/\n")] {
            let system = FakeRoot::new("alone");
            if let Some(groups) = groups {
                system.write("proc/self/cgroup", groups);
            }
            let mut counter = OomCounter::new(&system.0);
            assert!(!counter.has_grown());
            system.write("proc/vmstat", "oom_kill 6\n");
            assert!(counter.has_grown());
        }
    }

    #[test]
    fn without_any_count_no_kill_is_detected() {
        let mut counter = OomCounter::new(Path::new("/no/such/system"));
        assert!(!counter.has_grown());
    }
}
