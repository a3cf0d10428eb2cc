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
    /// The last 4 KiB of what it wrote to its standard error, where that is kept; empty otherwise.
    pub stderr: String,
    /// The message and the place of the panic that it died of, as far as its standard error tells:
    /// `out of cheese, at src/main.rs:7:5`.
    pub panic: Option<String>,
    /// Whether there is evidence that the system killed it for want of memory: a SIGKILL that its host did not send, and
    /// a kernel that has counted such a kill since. Linux tells, other systems do not.
    pub out_of_memory: bool,
    /// What it sent against the protocol, where it did.
    pub violation: Option<String>,
    /// Which run of the call this was, from 1 on.
    pub attempt: u32,
    /// How many runs the call may have.
    pub max_attempts: u32,
    /// Whether another call is taken to be the cause: one that had been in flight when a worker crashed before.
    pub bystander: bool,
}

impl Crash {
    /// The end of a worker for this reason.
    pub fn new(reason: ExitReason) -> Self {
        Self {
            reason,
            message: None,
            pid: None,
            stderr: String::new(),
            panic: None,
            out_of_memory: false,
            violation: None,
            attempt: 1,
            max_attempts: 1,
            bystander: false,
        }
    }

    /// Whether the call has ended as many workers as it may, each time as the one that is taken to be the cause.
    pub fn is_poison(&self) -> bool {
        self.max_attempts > 1 && self.attempt >= self.max_attempts && !self.bystander
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
        if self.max_attempts > 1 {
            write!(f, "; attempt {} of {}", self.attempt, self.max_attempts)?;
            if self.is_poison() {
                f.write_str(": this call ends every worker that it is given to")?;
            }
        }
        if let Some(violation) = &self.violation {
            write!(f, "; {violation}")?;
        }
        if self.reason == ExitReason::Unresponsive {
            f.write_str(
                "; a handler that computes for long needs a thread of its own, or its host a longer `Heartbeat::timeout`",
            )?;
        }
        if self.out_of_memory {
            f.write_str(
                "; it seems that the system killed it for want of memory: give the machine or the control group more, or \
                 the worker less to hold at once",
            )?;
        }
        match (&self.panic, self.stderr.lines().next_back()) {
            (Some(panic), _) => write!(f, "; it panicked: {panic}"),
            (None, Some(line)) => write!(f, "; its last words: {line}"),
            (None, None) => Ok(()),
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
    /// It gave no sign of life for as long as its host allows, and was killed for that.
    Unresponsive,
    /// It did not answer a call in time, and was killed for that, as its host's policy says.
    Overran,
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
            Self::Unresponsive => f.write_str("gave no sign of life and was killed"),
            Self::Overran => f.write_str("did not answer a call in time and was killed"),
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

    #[test]
    fn a_panic_is_told_instead_of_the_last_line() {
        let mut crash = Crash::new(ExitReason::Exited(101));
        crash.stderr = "out of cheese\nnote: run with `RUST_BACKTRACE=1`".into();
        assert_eq!(
            crash.to_string(),
            "the worker exited with code 101; its last words: note: run with `RUST_BACKTRACE=1`"
        );
        crash.panic = Some("out of cheese, at src/main.rs:7:5".into());
        assert_eq!(
            crash.to_string(),
            "the worker exited with code 101; it panicked: out of cheese, at src/main.rs:7:5"
        );
    }

    #[test]
    fn attempts_are_told_where_there_is_more_than_one() {
        let mut crash = Crash::new(ExitReason::Exited(3));
        (crash.attempt, crash.max_attempts) = (2, 3);
        crash.stderr = "oh no".into();
        assert_eq!(crash.to_string(), "the worker exited with code 3; attempt 2 of 3; its last words: oh no");
    }

    #[test]
    fn a_worker_that_hangs_comes_with_advice() {
        let text = Crash::new(ExitReason::Unresponsive).to_string();
        assert!(text.ends_with("was killed; a handler that computes for long needs a thread of its own, or its host a longer `Heartbeat::timeout`"), "{text}");
    }

    #[test]
    fn a_worker_without_memory_comes_with_advice() {
        let mut crash = Crash::new(ExitReason::Signalled { signal: 9, core_dumped: false });
        crash.out_of_memory = true;
        let text = crash.to_string();
        assert!(
            text.contains("(SIGKILL); it seems that the system killed it for want of memory: give "),
            "{text}"
        );
    }
}
