//! Reaps the processes of killed groups.
//!
//! A process whose parent has died becomes a child of the host if the host is the first process of
//! a container, or a subreaper. It then stays a zombie until the host waits for it.

use rustix::io::Errno;
use rustix::process::{Pid, WaitId, WaitIdOptions, test_kill_process, waitid};
use tokio::process::Child;

/// Stack size of the thread that waits for killed processes.
const STACK_BYTES: usize = 64 << 10;

/// Reaps the members of a killed group whose leader was reaped. Does not block.
///
/// Members that are still dying are left to a thread. While there are any, the number of the group
/// is reserved.
pub(super) fn reap_members(group: Pid) {
    if wait_for_members(group, WaitIdOptions::NOHANG) {
        on_thread(move || {
            wait_for_members(group, WaitIdOptions::empty());
        });
    }
}

/// Reaps a killed group and its leader. Does not block.
///
/// The thread needs no runtime: the host may have dropped the one that started the process.
pub(super) fn reap_killed(group: Pid, mut leader: Child) {
    on_thread(move || {
        // Leaves the leader a zombie, for `try_wait`. Fails if other code of the host reaps it.
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        while matches!(waitid(WaitId::Pid(group), options), Err(Errno::INTR)) {}
        let _ = leader.try_wait();
        wait_for_members(group, WaitIdOptions::empty());
    });
}

/// Reaps children of this process that belong to the group of a leader that was reaped. Returns
/// `true` if others are left.
///
/// Other code of the process may have reaped the leader. Once the group is empty, its number is
/// free, and an unrelated process may have it, with a group of its own.
fn wait_for_members(group: Pid, options: WaitIdOptions) -> bool {
    loop {
        if is_reused(group) {
            return false;
        }
        // Leaves a member that has ended a zombie, which reserves the number.
        match waitid(WaitId::Pgid(Some(group)), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | options) {
            Ok(Some(_)) if is_reused(group) => return false,
            Ok(Some(_)) => {
                let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
                if matches!(waitid(WaitId::Pgid(Some(group)), options), Err(error) if error != Errno::INTR) {
                    return false;
                }
            }
            Err(Errno::INTR) => {}
            Ok(None) => return true,
            Err(_) => return false,
        }
    }
}

/// Returns `true` if a process has the number of a group whose leader was reaped.
fn is_reused(group: Pid) -> bool {
    test_kill_process(group) != Err(Errno::SRCH)
}

/// Runs `reap` on a thread. If the system refuses the thread, the zombies stay until the host ends.
fn on_thread(reap: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().name("reaper".into()).stack_size(STACK_BYTES);
    let _ = thread.spawn(reap);
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt;
    use std::process::Command;

    use super::*;

    /// Waits until a process has ended, and leaves it a zombie.
    fn ended(process: Pid) {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        waitid(WaitId::Pid(process), options).unwrap();
    }

    fn exits(code: u32, group: i32) -> std::process::Child {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("exit {code}")]).process_group(group);
        command.spawn().unwrap()
    }

    #[test]
    fn the_members_of_a_group_without_its_leader_are_reaped() {
        let mut leader = exits(1, 0);
        let group = Pid::from_child(&leader);
        let mut member = exits(2, group.as_raw_pid());
        ended(group);
        ended(Pid::from_child(&member));
        leader.wait().unwrap();
        assert!(!wait_for_members(group, WaitIdOptions::NOHANG));
        assert!(member.wait().is_err(), "the member was reaped");
    }

    /// As if other code had reaped the leader, and the system had given its number to another
    /// child.
    #[test]
    fn another_process_with_the_number_of_a_group_is_not_reaped() {
        let mut other = exits(3, 0);
        let number = Pid::from_child(&other);
        ended(number);
        assert!(!wait_for_members(number, WaitIdOptions::NOHANG));
        assert_eq!(other.wait().unwrap().code(), Some(3));
    }
}
