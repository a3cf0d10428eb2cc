//! Kills a worker from outside, as a user or the system may do when memory is short.

/// Kills a process at once. Does nothing if it has ended.
#[cfg(unix)]
pub(crate) fn kill(pid: u32) {
    use rustix::process::{Pid, Signal, kill_process};

    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, Signal::KILL);
    }
}

/// Kills a process at once. Does nothing if it has ended.
#[cfg(windows)]
pub(crate) fn kill(pid: u32) {
    use std::process::{Command, Stdio};

    let mut taskkill = Command::new("taskkill");
    let _ =
        taskkill.args(["/F", "/PID", &pid.to_string()]).stdout(Stdio::null()).stderr(Stdio::null()).status();
}
