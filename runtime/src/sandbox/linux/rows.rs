//! The rows of a report: what this system can enforce, and how.

use std::fs;
use std::sync::OnceLock;

use rustix::process::geteuid;
use rustix::thread::secure_computing_mode;

use super::filter::NETWORK;
use super::{calls, files, pre_main};
use crate::sandbox::plan::{ADDED_BY_PROGRAM, disabled, unavailable};
use crate::sandbox::protection::Protection;
use crate::sandbox::report::{ProtectionState, Report, Row};
use crate::sandbox::{Sandbox, Way};

/// Plans the protections of a worker.
pub(in crate::sandbox) fn plan(sandbox: &Sandbox, way: Way) -> Report {
    let mechanisms = match mechanisms() {
        Ok(mechanisms) => mechanisms,
        Err(why) => return unavailable(sandbox, why),
    };
    let system = System { mechanisms, sandbox, way };
    let mut report = Report::new(|protection| match sandbox.asked.contains(protection) {
        true => system.row(protection),
        false => disabled(protection, sandbox.asked),
    });
    report.is_launched = way == Way::Launched;
    if report.is_launched && report.state(ADDED_BY_PROGRAM) == ProtectionState::Degraded {
        report.added_by_program = Some(ADDED_BY_PROGRAM);
    }
    degrade(&mut report);
    report
}

/// Degrades the protections that rest on another one, if that one is missing.
fn degrade(report: &mut Report) {
    let has_domain =
        files::RESTRICTED.iter().any(|&protection| report.row_mut(protection).by.contains("Landlock"));
    let rules = [
        (
            Protection::Ptrace,
            !has_domain,
            "the worker can open the memory of processes of its user in /proc; ask for `file-read`, which \
             needs Landlock",
        ),
        (
            Protection::NewCode,
            geteuid().is_root() && !report.is_active(Protection::FileWrite),
            "a worker of root can write to its own code in /proc; ask for `file-write`",
        ),
    ];
    for (protection, is_open, why) in rules {
        let row = report.row_mut(protection);
        if is_open && matches!(row.state, ProtectionState::Active | ProtectionState::Degraded) {
            *row = Row::degraded(protection, row.by.clone(), why);
            report.added_by_program = report.added_by_program.filter(|&added| added != protection);
        }
    }
}

/// Mechanisms of this system.
#[derive(Clone, Copy)]
struct Mechanisms {
    /// ABI of Landlock. Zero: the kernel has none.
    landlock: u8,
    /// `Ok` if the kernel has filters of system calls, and this library knows the processor.
    seccomp: Result<(), &'static str>,
}

/// Newest ABI of Landlock that both the kernel and this library know. Zero: none.
pub(super) fn landlock() -> u8 {
    mechanisms().map_or(0, |mechanisms| mechanisms.landlock)
}

/// Looks for the mechanisms once, because every start needs them. If one is lost later, the process
/// that sets up its sandbox fails.
fn mechanisms() -> Result<Mechanisms, &'static str> {
    static FOUND: OnceLock<Mechanisms> = OnceLock::new();
    if let Some(found) = FOUND.get() {
        return Ok(*found);
    }
    find_proc()?;
    find_pre_main()?;
    Ok(*FOUND.get_or_init(|| Mechanisms { landlock: files::supported(), seccomp: seccomp() }))
}

/// The worker counts its threads there, and the host looks at the worker there.
fn find_proc() -> Result<(), &'static str> {
    match fs::read_to_string("/proc/self/status") {
        Ok(status) if status.contains("\nSeccomp:") || status.contains("\nNoNewPrivs:") => Ok(()),
        _ => Err("/proc is not mounted, or does not show what confines a process; mount it"),
    }
}

/// Confinement happens in the program of the host, if that runs this library's code before `main`.
fn find_pre_main() -> Result<(), &'static str> {
    const FAILED: &str =
        "the executable of the host does not contain this library; link it statically into a program";
    let executable = fs::read_link("/proc/self/exe").map_err(|_| FAILED)?;
    let maps = fs::read_to_string("/proc/self/maps").map_err(|_| FAILED)?;
    let address = pre_main::address();
    let contains = |line: &str| {
        let (range, _) = line.split_once(' ')?;
        let (start, end) = range.split_once('-')?;
        let (start, end) = (usize::from_str_radix(start, 16).ok()?, usize::from_str_radix(end, 16).ok()?);
        (start..end).contains(&address).then(|| line.ends_with(&*executable.to_string_lossy()))
    };
    match maps.lines().find_map(contains) {
        Some(true) => Ok(()),
        _ => Err(FAILED),
    }
}

fn seccomp() -> Result<(), &'static str> {
    if calls::ARCHITECTURE.is_none() {
        return Err("this library has no list of system calls for this processor");
    }
    secure_computing_mode().map(drop).map_err(|_| "the kernel has no seccomp")
}

/// A system, and what is asked of it.
struct System<'a> {
    mechanisms: Mechanisms,
    sandbox: &'a Sandbox,
    way: Way,
}

impl System<'_> {
    fn row(&self, protection: Protection) -> Row {
        let asks = |protection| self.sandbox.asked.contains(protection);
        match protection {
            Protection::FileRead => self.files(protection, 1, ""),
            Protection::FileWrite => self.files(protection, 3, "it cannot refuse to truncate files"),
            Protection::Execute => self.execute(),
            ADDED_BY_PROGRAM if self.way == Way::Launched => self.filtered(|| {
                let why = "its program does not add it after it was loaded, which this library does";
                Row::degraded(protection, "seccomp", why)
            }),
            Protection::Tcp | Protection::Udp => self.filtered(|| Row::active(protection, "seccomp")),
            Protection::AbstractSockets => match self.mechanisms.landlock {
                6.. => self.filtered(|| Row::active(protection, "seccomp, Landlock")),
                _ => self.named_sockets(protection),
            },
            Protection::PathSockets => self.named_sockets(protection),
            Protection::Signals if self.sandbox.max_processes == 0 && asks(Protection::Processes) => {
                let by = if self.mechanisms.landlock >= 6 { "seccomp, Landlock" } else { "seccomp" };
                self.filtered(|| Row::active(protection, by))
            }
            Protection::Signals => match self.mechanisms.landlock {
                6.. => self.filtered(|| Row::active(protection, "seccomp, Landlock")),
                _ => Row::unavailable(
                    protection,
                    "a worker that may start processes needs Landlock of Linux 6.12 for it",
                ),
            },
            Protection::Processes if self.sandbox.max_processes > 0 => {
                Row::unavailable(protection, "a number of processes above 0 needs a control group")
            }
            Protection::Memory => self.filtered(|| Row::active(protection, "RLIMIT_AS, seccomp")),
            Protection::CpuTime => Row::active(protection, "RLIMIT_CPU"),
            Protection::OpenFiles => Row::active(protection, "RLIMIT_NOFILE"),
            Protection::FileSize => Row::active(protection, "RLIMIT_FSIZE"),
            Protection::CoreDumps => match self.way {
                Way::Own => Row::active(protection, "RLIMIT_CORE, not dumpable"),
                Way::Launched => Row::active(protection, "RLIMIT_CORE"),
            },
            Protection::NewPrivileges => Row::active(protection, "no_new_privs"),
            Protection::Capabilities => self.filtered(|| Row::active(protection, "capset, seccomp")),
            Protection::Environment => Row::active(protection, "the host"),
            Protection::NewCode
            | Protection::Ptrace
            | Protection::Processes
            | Protection::Namespaces
            | Protection::KernelSurface => self.filtered(|| Row::active(protection, "seccomp")),
        }
    }

    /// Row of a protection that needs a filter.
    fn filtered(&self, row: impl FnOnce() -> Row) -> Row {
        let row = row();
        match self.mechanisms.seccomp {
            Ok(()) => row,
            Err(why) => Row::unavailable(row.protection, why),
        }
    }

    /// Row of a protection that needs Landlock, of the version `full` for all of it.
    fn files(&self, protection: Protection, full: u8, lacks: &str) -> Row {
        if let Err(why) = self.mechanisms.seccomp {
            return Row::unavailable(protection, why);
        }
        let by = format!("Landlock ABI {}, seccomp", self.mechanisms.landlock);
        match self.mechanisms.landlock {
            0 => Row::unavailable(protection, "the kernel has no Landlock, or does not enable it"),
            abi if abi < full => Row::degraded(protection, by, format!("Landlock ABI {abi}: {lacks}")),
            _ => Row::active(protection, by),
        }
    }

    /// Executables are files, and a process that may execute none needs no Landlock for it.
    fn execute(&self) -> Row {
        let protection = Protection::Execute;
        let is_closed = self.way == Way::Own && self.sandbox.executes.is_empty();
        match self.mechanisms.landlock {
            0 if is_closed => self.filtered(|| Row::active(protection, "seccomp")),
            _ => self.files(protection, 1, ""),
        }
    }

    /// Unix domain sockets are out of reach if no socket can be connected. Otherwise the filter
    /// cannot tell them from the sockets that are allowed.
    fn named_sockets(&self, protection: Protection) -> Row {
        let is_offline = NETWORK.iter().all(|&protection| self.sandbox.asked.contains(protection));
        self.filtered(|| match is_offline {
            true => Row::active(protection, "seccomp"),
            false => Row::degraded(
                protection,
                "seccomp",
                "a socket that the worker gets from its host could be connected, because another \
                 network protection is off",
            ),
        })
    }
}
