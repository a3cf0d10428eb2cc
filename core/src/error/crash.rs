use std::fmt;

/// How a worker ended, and what it was doing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Crash {
    /// How it ended.
    pub reason: ExitReason,
    /// The message of this call, which was in flight; `None` where the worker had not come up yet.
    pub message: Option<String>,
    /// The worker's process, where it is one.
    pub pid: Option<u32>,
    /// The end of what it wrote to its standard error, where that is kept; empty otherwise.
    pub stderr: String,
}

impl Crash {
    /// The end of a worker for this reason.
    pub fn new(reason: ExitReason) -> Self {
        Self { reason, message: None, pid: None, stderr: String::new() }
    }
}

impl fmt::Display for Crash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the worker")?;
        if let Some(pid) = self.pid {
            write!(f, " (pid {pid})")?;
        }
        write!(f, " {}", self.reason)?;
        if let Some(message) = &self.message {
            write!(f, " while `{message}` was in flight")?;
        }
        match self.stderr.lines().next_back() {
            Some(line) => write!(f, "; its last words: {line}"),
            None => Ok(()),
        }
    }
}

/// How a process ended. `Display` makes it the end of a sentence: "exited with code 3".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ExitReason {
    /// It exited by itself, with this code. On Windows it is negative where the system has ended the process: its status,
    /// such as 0xC0000005, an access violation, which `Display` shows in place of the number.
    Exited(i32),
    /// A signal ended it.
    Signalled {
        /// The number of the signal.
        signal: i32,
        /// Whether it left a core dump.
        core_dumped: bool,
    },
    /// It closed its connection and was still running when it was killed for that.
    Disconnected,
    /// It sent bytes that break the protocol, and was killed for that.
    Violated,
    /// It has not ended: it was detached, and runs on without this host.
    Detached,
}

impl fmt::Display for ExitReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Exited(status @ ..0) => write!(f, "exited with status {status:#010X}"),
            Self::Exited(code) => write!(f, "exited with code {code}"),
            Self::Signalled { signal, core_dumped } => {
                write!(f, "was killed by signal {signal}")?;
                if let Some(name) = signal_name(signal) {
                    write!(f, " ({name})")?;
                }
                f.write_str(if core_dumped { ", core dumped" } else { "" })
            }
            Self::Disconnected => f.write_str("closed its connection without ending"),
            Self::Violated => f.write_str("broke the protocol"),
            Self::Detached => f.write_str("was detached and runs on"),
        }
    }
}

/// The names of the signals that end a process, where their numbers are known for certain.
fn signal_name(signal: i32) -> Option<&'static str> {
    Some(match signal {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        5 => "SIGTRAP",
        6 => "SIGABRT",
        8 => "SIGFPE",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        13 => "SIGPIPE",
        14 => "SIGALRM",
        15 => "SIGTERM",
        24 => "SIGXCPU",
        25 => "SIGXFSZ",
        7 if cfg!(target_os = "linux") => "SIGBUS",
        31 if cfg!(target_os = "linux") => "SIGSYS",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_shown_as_it_is_looked_up() {
        let shown = |code| ExitReason::Exited(code).to_string();
        assert_eq!(shown(-1_073_740_791), "exited with status 0xC0000409");
        assert_eq!(shown(-1), "exited with status 0xFFFFFFFF");
        assert_eq!(shown(i32::MIN), "exited with status 0x80000000");
        assert_eq!(shown(0), "exited with code 0");
        assert_eq!(shown(i32::MAX), "exited with code 2147483647");
    }

    #[test]
    fn a_crash_reads_as_a_sentence() {
        let mut crash = Crash::new(ExitReason::Signalled { signal: 9, core_dumped: false });
        crash.message = Some("scale".into());
        crash.pid = Some(17);
        assert_eq!(
            crash.to_string(),
            "the worker (pid 17) was killed by signal 9 (SIGKILL) while `scale` was in flight"
        );
        assert_eq!(Crash::new(ExitReason::Exited(3)).to_string(), "the worker exited with code 3");
    }
}
