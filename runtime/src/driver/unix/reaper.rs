//! Reaps the processes of killed groups.
//!
//! A process whose parent has died becomes a child of the host if the host is the first process of
//! a container, or a subreaper. It then stays a zombie until the host waits for it.

use rustix::io::Errno;
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
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

/// Reaps children of this process that belong to the group. Returns `true` if others are left.
fn wait_for_members(group: Pid, options: WaitIdOptions) -> bool {
    loop {
        match waitid(WaitId::Pgid(Some(group)), WaitIdOptions::EXITED | options) {
            Ok(Some(_)) | Err(Errno::INTR) => {}
            Ok(None) => return true,
            Err(_) => return false,
        }
    }
}

/// Runs `reap` on a thread. If the system refuses the thread, the zombies stay until the host ends.
fn on_thread(reap: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().name("reaper".into()).stack_size(STACK_BYTES);
    let _ = thread.spawn(reap);
}
