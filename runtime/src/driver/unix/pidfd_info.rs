//! Exit status of a process that other code has reaped.
#![allow(unsafe_code)]

use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use rustix::ioctl::{Opcode, Updater, ioctl, opcode};

/// Kernel's `struct pidfd_info` in its first version. Later versions append fields.
#[repr(C)]
#[derive(Default)]
struct PidfdInfo {
    /// Requested fields. The kernel replaces it by the fields that it has filled.
    mask: u64,
    control_group: u64,
    process_and_user_ids: [u32; 11],
    exit_code: i32,
}

/// Bit of `mask` for the exit code.
const PIDFD_INFO_EXIT: u64 = 1 << 3;

const PIDFD_GET_INFO: Opcode = opcode::read_write::<PidfdInfo>(0xFF, 11);

/// Returns the exit status of a process that was reaped. The kernel keeps it since Linux 6.15, as
/// long as a pidfd of the process is open.
pub(super) fn exit_status(pidfd: impl AsFd) -> Option<ExitStatus> {
    let mut info = PidfdInfo { mask: PIDFD_INFO_EXIT, ..PidfdInfo::default() };
    // SAFETY: the opcode contains the size of the structure, of which the kernel writes no more.
    // Every bit pattern is valid for it.
    unsafe { ioctl(pidfd, Updater::<PIDFD_GET_INFO, PidfdInfo>::new(&mut info)) }.ok()?;
    (info.mask & PIDFD_INFO_EXIT != 0).then(|| ExitStatus::from_raw(info.exit_code))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use rustix::process::{Pid, PidfdFlags, pidfd_open};

    use super::*;

    #[test]
    fn the_status_of_a_reaped_process_is_the_one_that_was_waited_for() {
        let mut child = Command::new("sh").args(["-c", "exit 7"]).spawn().unwrap();
        let pidfd = pidfd_open(Pid::from_child(&child), PidfdFlags::empty()).unwrap();
        let waited = child.wait().unwrap();
        match exit_status(&pidfd) {
            Some(status) => assert_eq!(status, waited),
            None => eprintln!("skipped: this kernel does not keep the status of a reaped process"),
        }
    }
}
