//! End of a worker's process group.
#![allow(unsafe_code)]

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use rustix::process::{Pid, Signal, getpgrp, getpid, kill_current_process_group};

use crate::worker::parent::ParentProcess;

/// Group that this process leads for its host.
struct LedGroup {
    /// Differs from the id of a fork of this process.
    leader: Pid,
    host: ParentProcess,
    is_detached: Arc<AtomicBool>,
}

static LED: OnceLock<LedGroup> = OnceLock::new();
static IS_CONNECTION_LOST: AtomicBool = AtomicBool::new(false);

/// Lets the group of this process end with it if `host` has ended by then: nobody else is left to
/// kill the group. Does nothing if this process does not lead its group.
pub(in crate::worker) fn end_with_orphan(host: ParentProcess, is_detached: Arc<AtomicBool>) {
    let leader = getpid();
    if getpgrp() == leader && LED.set(LedGroup { leader, host, is_detached }).is_ok() {
        // Exit handlers that are registered later run before it.
        // SAFETY: the handler may run on any thread. If the system has no memory for it, it never
        // runs.
        unsafe { libc::atexit(kill_if_orphaned) };
    }
}

/// Records that the connection ended without a go-away of the host at that time. The host may have
/// ended, or may close a worker that leaves.
pub(in crate::worker) fn connection_lost() {
    IS_CONNECTION_LOST.store(true, Ordering::Release);
}

/// Kills the group, and this process with it, if the host has ended. To be called last.
pub(in crate::worker) extern "C" fn kill_if_orphaned() {
    let Some(LedGroup { leader, host, is_detached }) = LED.get() else { return };
    if getpid() != *leader || is_detached.load(Ordering::Acquire) {
        return;
    }
    if host.is_ending(IS_CONNECTION_LOST.load(Ordering::Acquire)) && getpgrp() == *leader {
        // It does not return, unless the system refuses: then the members stay.
        let _ = kill_current_process_group(Signal::KILL);
    }
}
