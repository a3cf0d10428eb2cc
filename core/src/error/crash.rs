use std::fmt;
use std::time::Duration;

/// Details of a worker's end and of the call that was in flight.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Crash {
    /// Reason why the worker ended.
    pub reason: ExitReason,
    /// Name of the message that was in flight. `None` if the worker was not ready yet.
    pub message: Option<String>,
    /// Process id of the worker, if it is a process.
    pub pid: Option<u32>,
    /// Last 4 KiB of the worker's standard error. Empty if standard error is not captured.
    pub stderr: String,
    /// Message and location of the panic that ended the worker, parsed from its standard error:
    /// `out of cheese, at src/main.rs:7:5`.
    pub panic: Option<String>,
    /// `true` if the OOM killer probably killed the worker: it got a SIGKILL that its host did not
    /// send, and the kernel counted an OOM kill. Always `false` on systems other than Linux.
    pub out_of_memory: bool,
    /// `true` if the worker ran through `ssh`, and `ssh` ended as it does for its own failures.
    pub ssh: bool,
    /// Limit of its sandbox that ended the worker, if any.
    pub sandbox: Option<SandboxEnd>,
    /// Violation of the protocol by the worker, if any.
    pub violation: Option<String>,
    /// Number of this attempt, starting at 1.
    pub attempt: u32,
    /// Maximum number of attempts.
    pub max_attempts: u32,
    /// `true` if another call is the suspected cause, because it was in flight at an earlier crash
    /// too, or because its caller had given it up and it was still running.
    pub bystander: bool,
    /// Number of calls that their callers had given up, by a timeout or by dropping the call, and
    /// that the worker was still running.
    pub given_up: usize,
    /// Time that the call waited in the queue of its pool before a worker got it, in this attempt.
    pub queued: Duration,
}

impl Crash {
    /// Creates a crash with this reason.
    pub fn new(reason: ExitReason) -> Self {
        Self {
            reason,
            message: None,
            pid: None,
            stderr: String::new(),
            panic: None,
            out_of_memory: false,
            ssh: false,
            sandbox: None,
            violation: None,
            attempt: 1,
            max_attempts: 1,
            bystander: false,
            given_up: 0,
            queued: Duration::ZERO,
        }
    }

    /// Returns `true` for a poison call: the call is the suspected cause of the crashes, and all of
    /// its attempts are used up.
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
                f.write_str(": every worker that ran this call crashed")?;
            }
        }
        // A worker that overran or was hung was killed because of such a call.
        if self.given_up > 0 && !matches!(self.reason, ExitReason::Overran | ExitReason::Hung) {
            let plural = if self.given_up == 1 { "" } else { "s" };
            write!(f, "; it was still running {} given-up call{plural}, a possible cause", self.given_up)?;
        }
        if let Some(violation) = &self.violation {
            write!(f, "; {violation}")?;
        }
        if let Some(remedy) = self.reason.remedy() {
            write!(f, "; {remedy}")?;
        }
        if self.out_of_memory {
            f.write_str(
                "; it was probably killed by the OOM killer; raise the memory limit, or lower what the worker holds at once",
            )?;
        }
        if self.ssh {
            f.write_str(
                "; `ssh` ends in this way if its connection fails or a signal ends the worker: try the same \
                 command in a shell",
            )?;
        }
        if let Some(end) = &self.sandbox {
            write!(f, "; {end}")?;
        }
        match (&self.panic, last_statement(&self.stderr)) {
            (Some(panic), _) => write!(f, "; it panicked: {panic}"),
            (None, Some(line)) => write!(f, "; its last output: {line}"),
            (None, None) => Ok(()),
        }
    }
}

/// Limit of a sandbox that ended its worker. `Display` writes a sentence with a remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SandboxEnd {
    /// The worker made a system call that its sandbox refuses, and the host wishes that to end it.
    SystemCall {
        /// Name of the call, or its number if it has no known name. `None` if the program has not
        /// reported it: only the system's log then names it.
        name: Option<String>,
    },
    /// The worker has used up its processor time.
    CpuTime {
        /// The limit in seconds.
        seconds: u64,
    },
    /// The worker could not allocate memory within its limit. Known from its standard error.
    Memory {
        /// The limit in bytes.
        bytes: u64,
    },
    /// The worker wrote a file beyond the limit.
    FileSize {
        /// The limit in bytes.
        bytes: u64,
    },
}

impl fmt::Display for SandboxEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SystemCall { name: Some(name) } => {
                write!(
                    f,
                    "its sandbox refuses the system call {name}; allow it, or treat the input as hostile"
                )
            }
            Self::SystemCall { name: None } => f.write_str(
                "its sandbox refuses a system call that the system's audit log names; allow it, or treat the \
                 input as hostile",
            ),
            Self::CpuTime { seconds } => {
                write!(f, "it used up the {seconds} s of processor time of its sandbox; raise `cpu_time`")
            }
            Self::Memory { bytes } => {
                write!(f, "it reached the {bytes} bytes of memory of its sandbox; raise `memory`")
            }
            Self::FileSize { bytes } => {
                write!(f, "it wrote a file beyond the {bytes} bytes of its sandbox; raise `file_size`")
            }
        }
    }
}

/// Reason why a worker ended. `Display` writes a predicate, such as "exited with code 3".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ExitReason {
    /// The process exited with this code. On Windows, the code is negative if the system ended the
    /// process. `Display` then shows it as a status, such as 0xC0000005 (access violation).
    Exited(i32),
    /// A signal ended the process.
    Signaled {
        /// Number of the signal.
        signal: i32,
        /// `true` if the process left a core dump.
        core_dumped: bool,
    },
    /// The process has ended, and its exit status is lost: other code of the host waits for any
    /// child (`waitpid(-1)`), or the host ignores SIGCHLD. Linux 6.15 and later keep the status, so
    /// this is not seen there.
    Unknown,
    /// The connection to an attached worker has ended. Its process is not a child of this host, so
    /// its exit is not visible.
    ConnectionEnded,
    /// The worker closed its connection, kept running and was killed.
    Disconnected,
    /// The worker broke the protocol and was killed.
    Violated,
    /// The worker did not answer keep-alive pings in time and was killed.
    Unresponsive,
    /// The worker did not answer a call in time and was killed, because the host enabled that
    /// policy.
    Overran,
    /// The worker did not end a cancelled call in time and was killed by its pool.
    Hung,
    /// The worker has not ended although it was killed, and its connection was closed. The host may
    /// not signal it, for example because it runs as another user, or the system cannot end it.
    Survived,
    /// The worker has not ended: it was detached and keeps running without this host, or it is a
    /// thread that did not end when it was killed.
    Detached,
    /// The worker was killed, because the runtime on which it was spawned was shut down.
    Abandoned,
}

impl ExitReason {
    /// Remedy for an end whose cause is known.
    fn remedy(self) -> Option<&'static str> {
        match self {
            Self::Unknown => Some("let the host wait only for its own children, and not ignore SIGCHLD"),
            Self::Unresponsive => {
                Some("move long computations to a thread, or raise `Heartbeat::timeout` of the host")
            }
            Self::Overran => {
                Some("raise the timeout of that call, or give each worker one call at a time, as a pool does")
            }
            Self::Hung => Some(
                "let its handlers await, or check `Context::cancelled` if they are `blocking`, or raise \
                 `Timeouts::cancel` of the host",
            ),
            Self::Survived => Some("run the host as root or as the user of the worker"),
            _ => None,
        }
    }
}

impl fmt::Display for ExitReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Exited(status @ ..0) => write!(f, "exited with status {status:#010X}"),
            Self::Exited(code) => write!(f, "exited with code {code}"),
            Self::Signaled { signal, core_dumped } => {
                write!(f, "was killed by signal {signal}")?;
                if let Some(name) = signal_name(signal) {
                    write!(f, " ({name})")?;
                }
                f.write_str(if core_dumped { ", core dumped" } else { "" })
            }
            Self::Unknown => f.write_str("ended, and its exit status was taken by other code of the host"),
            Self::ConnectionEnded => f.write_str("closed its connection, and its exit is not visible"),
            Self::Disconnected => f.write_str("closed its connection but did not exit"),
            Self::Violated => f.write_str("broke the protocol"),
            Self::Unresponsive => f.write_str("did not respond to pings and was killed"),
            Self::Overran => f.write_str("did not answer a call in time and was killed"),
            Self::Hung => f.write_str("did not end a cancelled call in time and was killed"),
            Self::Survived => f.write_str("did not end when it was killed"),
            Self::Detached => f.write_str("was detached and keeps running"),
            Self::Abandoned => {
                f.write_str("was killed, because the runtime on which it was spawned was shut down")
            }
        }
    }
}

/// Last line of a standard error that is no note of the standard library, and no part of a
/// backtrace.
fn last_statement(stderr: &str) -> Option<&str> {
    let text = split_backtrace(stderr).0;
    text.lines().rfind(|line| !line.trim().is_empty() && !line.starts_with("note: "))
}

/// Splits a standard error at the backtrace with which it ends: the text before it, and the
/// backtrace with the line break before it. The backtrace is empty if there is none.
pub fn split_backtrace(stderr: &str) -> (&str, &str) {
    let is_part = |line: &str| line.is_empty() || line.starts_with([' ', '\t']) || line.starts_with("note: ");
    let start = stderr.rfind("\nstack backtrace:\n").unwrap_or(stderr.len());
    let (text, trace) = stderr.split_at(start);
    if trace.lines().skip(2).all(is_part) { (text, trace) } else { (stderr, "") }
}

/// Name of a signal that ends a process. `None` if the number is not listed for this system.
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
    fn a_windows_status_is_shown_in_hexadecimal() {
        let shown = |code| ExitReason::Exited(code).to_string();
        assert_eq!(shown(-1_073_740_791), "exited with status 0xC0000409");
        assert_eq!(shown(-1), "exited with status 0xFFFFFFFF");
        assert_eq!(shown(i32::MIN), "exited with status 0x80000000");
        assert_eq!(shown(0), "exited with code 0");
        assert_eq!(shown(i32::MAX), "exited with code 2147483647");
    }

    #[test]
    fn a_crash_reads_as_a_sentence() {
        let mut crash = Crash::new(ExitReason::Signaled { signal: 9, core_dumped: false });
        crash.message = Some("scale".into());
        crash.pid = Some(17);
        assert_eq!(
            crash.to_string(),
            "the worker (pid 17) was killed by signal 9 (SIGKILL) while `scale` was in flight"
        );
        assert_eq!(Crash::new(ExitReason::Exited(3)).to_string(), "the worker exited with code 3");
    }

    #[test]
    fn a_panic_is_shown_instead_of_the_last_output() {
        let mut crash = Crash::new(ExitReason::Exited(101));
        crash.stderr = "out of cheese\nnote: run with `RUST_BACKTRACE=1`".into();
        assert_eq!(crash.to_string(), "the worker exited with code 101; its last output: out of cheese");
        crash.panic = Some("out of cheese, at src/main.rs:7:5".into());
        assert_eq!(
            crash.to_string(),
            "the worker exited with code 101; it panicked: out of cheese, at src/main.rs:7:5"
        );
    }

    #[test]
    fn a_hint_about_backtraces_is_not_the_last_output() {
        let hint = "note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace\n";
        let more =
            "note: Some details are omitted, run with `RUST_BACKTRACE=full` for a verbose backtrace.\n";
        let trace = format!("stack backtrace:\n   0: f\n             at a.rs:1:2\n{more}");
        let failed = "memory allocation of 99 bytes failed\n";
        for stderr in [failed.to_owned(), format!("{failed}{hint}"), format!("{failed}{trace}\n")] {
            assert_eq!(last_statement(&stderr), Some(failed.trim_end()), "{stderr}");
        }
        assert_eq!(last_statement(&format!("{failed}{trace}goodbye\n")), Some("goodbye"));
        assert_eq!(last_statement(&format!("\n{hint}")), None);
    }

    #[test]
    fn the_attempt_is_shown_if_a_call_may_have_several() {
        let mut crash = Crash::new(ExitReason::Exited(3));
        (crash.attempt, crash.max_attempts) = (2, 3);
        crash.stderr = "oh no".into();
        assert_eq!(
            crash.to_string(),
            "the worker exited with code 3; attempt 2 of 3; its last output: oh no"
        );
    }

    #[test]
    fn given_up_calls_are_named_unless_they_are_the_known_cause() {
        let mut crash = Crash::new(ExitReason::Exited(3));
        crash.given_up = 2;
        let text = "the worker exited with code 3; it was still running 2 given-up calls, a possible cause";
        assert_eq!(crash.to_string(), text);
        crash.reason = ExitReason::Overran;
        assert!(!crash.to_string().contains("given-up"), "{crash}");
    }

    #[test]
    fn an_unresponsive_worker_comes_with_a_remedy() {
        let text = Crash::new(ExitReason::Unresponsive).to_string();
        assert!(
            text.ends_with(
                "was killed; move long computations to a thread, or raise `Heartbeat::timeout` of the host"
            ),
            "{text}"
        );
    }

    #[test]
    fn a_lost_exit_status_comes_with_its_cause_and_a_remedy() {
        let text = Crash::new(ExitReason::Unknown).to_string();
        assert_eq!(
            text,
            "the worker ended, and its exit status was taken by other code of the host; let the host wait only \
             for its own children, and not ignore SIGCHLD"
        );
    }

    #[test]
    fn an_oom_kill_comes_with_a_remedy() {
        let mut crash = Crash::new(ExitReason::Signaled { signal: 9, core_dumped: false });
        crash.out_of_memory = true;
        let text = crash.to_string();
        assert!(
            text.contains("(SIGKILL); it was probably killed by the OOM killer; raise the memory limit"),
            "{text}"
        );
    }
}
