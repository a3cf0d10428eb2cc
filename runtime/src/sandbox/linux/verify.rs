//! Look at a confined process from outside, which does not trust what it says.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::confine::CORE_BYTES;
use super::filter::FILTER;
use crate::sandbox::policy::Limits;
use crate::sandbox::protection::Protection;
use crate::sandbox::report::Report;

/// Checks that the kernel confines the first thread of the process. It was the only one then: the
/// process counts its threads before it confines itself, and later ones inherit its confinement.
///
/// # Errors
/// The cause if it does not have what the report says, or if `/proc` does not show it.
pub(crate) fn verify(pid: u32, limits: Limits, report: &Report) -> Result<(), String> {
    let path = format!("/proc/{pid}/status");
    let status = read(Path::new(&path)).map_err(|error| format!("{path} cannot be read: {error}"))?;
    check_status(&status, report)?;
    let path = format!("/proc/{pid}/limits");
    let text = read(Path::new(&path)).map_err(|error| format!("{path} cannot be read: {error}"))?;
    check_limits(&text, limits, report)
}

/// Reads a file of `/proc` at once. Its size is unknown, and the kernel makes it anew for each part.
fn read(path: &Path) -> io::Result<String> {
    let mut text = vec![0; 8 << 10];
    let length = File::open(path)?.read(&mut text)?;
    text.truncate(length);
    String::from_utf8(text).map_err(io::Error::other)
}

fn check_status(status: &str, report: &Report) -> Result<(), String> {
    let value = |key: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
        line.map_or("", str::trim)
    };
    let is_filtered = report.rows().iter().any(|row| row.by.contains(FILTER));
    for (protection, key, expected) in [
        (Protection::NewPrivileges, "NoNewPrivs", "1"),
        (Protection::Capabilities, "CapPrm", "0000000000000000"),
        (Protection::Capabilities, "CapEff", "0000000000000000"),
    ] {
        if report.is_active(protection) && value(key) != expected {
            return Err(format!("it has {key} {} in /proc, and not {expected}", value(key)));
        }
    }
    if is_filtered && value("Seccomp") != "2" {
        return Err(format!("it has Seccomp {} in /proc, and not 2", value("Seccomp")));
    }
    Ok(())
}

fn check_limits(text: &str, limits: Limits, report: &Report) -> Result<(), String> {
    let core = report.is_active(Protection::CoreDumps).then_some(CORE_BYTES);
    for (name, limit) in [
        ("Max core file size", core),
        ("Max address space", limits.memory),
        ("Max cpu time", limits.cpu_time),
        ("Max open files", limits.open_files),
        ("Max file size", limits.file_size),
    ] {
        let Some(limit) = limit else { continue };
        let soft = text.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next());
        // A process may lower its own limits.
        let is_kept = soft.and_then(|soft| soft.parse::<u64>().ok()).is_some_and(|soft| soft <= limit);
        if !is_kept {
            return Err(format!("its limit `{name}` is {} and not {limit}", soft.unwrap_or("unknown")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::report::Row;

    fn report() -> Report {
        Report::new(|protection| Row::active(protection, FILTER))
    }

    const STATUS: &str =
        "Name:\tw\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\n";

    #[test]
    fn a_thread_that_is_not_confined_is_found() {
        assert_eq!(check_status(STATUS, &report()), Ok(()));
        for (from, to) in [
            ("NoNewPrivs:\t1", "NoNewPrivs:\t0"),
            ("Seccomp:\t2", "Seccomp:\t0"),
            ("Seccomp:\t2", "Speed:\t2"),
            ("CapEff:\t0000000000000000", "CapEff:\t000001ffffffffff"),
        ] {
            assert!(check_status(&STATUS.replace(from, to), &report()).is_err(), "{to}");
        }
        assert!(verify(std::process::id(), Limits::default(), &report()).is_err());
    }

    #[test]
    fn a_limit_that_is_not_set_is_found() {
        let text = "Limit                     Soft Limit           Hard Limit           Units\n\
                    Max core file size        1                    1                    bytes\n\
                    Max open files            256                  256                  files\n\
                    Max address space         unlimited            unlimited            bytes\n";
        let limits = Limits { open_files: Some(256), ..Limits::default() };
        assert_eq!(check_limits(text, limits, &report()), Ok(()));
        assert!(check_limits(text, Limits { open_files: Some(255), ..limits }, &report()).is_err());
        assert!(check_limits(text, Limits { memory: Some(1), ..limits }, &report()).is_err());
        assert!(check_limits("", limits, &report()).is_err());
    }
}
