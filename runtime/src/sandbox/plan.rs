//! Comparison of what a sandbox asks for with what the system has.

use isolated_workers_core::{Error, ErrorKind};

use super::protection::{Protection, ProtectionSet};
use super::report::{ProtectionState, Report, Row};
use super::{Sandbox, announcement};

/// Protection that a launched program can only have after it was loaded.
#[cfg_attr(not(target_os = "linux"), allow(dead_code))]
pub(super) const ADDED_BY_PROGRAM: Protection = Protection::NewCode;

/// Checks that a planned sandbox has all protections that must be had.
///
/// # Errors
/// `Sandbox`, which names what is missing.
pub(super) fn check(sandbox: &Sandbox, planned: &Report, subject: &str) -> Result<(), Error> {
    let is_missing = |row: &&Row| {
        matches!(row.state, ProtectionState::Degraded | ProtectionState::Unavailable)
            && sandbox.is_required(row.protection)
            // Decided by the handshake.
            && planned.added_by_program != Some(row.protection)
    };
    missing(planned.rows().iter().filter(is_missing), subject)
}

/// Report of a worker that another host has started, from its handshake.
pub(crate) fn announced(announced: Option<&str>) -> Report {
    Report::announced(announced.map(announcement::read).unwrap_or_default())
}

/// Compares the plan for a worker with the protections that the worker announces in the handshake,
/// which shows if its program has confined itself. Returns the report of the worker.
///
/// # Errors
/// `Sandbox` if a protection is missing.
pub(crate) fn confirm(
    sandbox: &Sandbox,
    planned: Option<Report>,
    announced: Option<&str>,
    subject: &str,
) -> Result<Report, Error> {
    let Some(mut report) = planned else {
        let report = self::announced(announced);
        let lacking =
            |row: &&Row| row.state != ProtectionState::Active && sandbox.is_required(row.protection);
        missing(report.rows().iter().filter(lacking), subject)?;
        return Ok(report);
    };
    let announced = announced.map(announcement::read);
    match announced {
        Some(announced) => {
            // A program that only says so gains nothing: the protection hardens it against its input,
            // and code of the program itself runs anyway.
            if let Some(added) = report.added_by_program.filter(|&added| announced.contains(added)) {
                *report.row_mut(added) = Row::active(added, "seccomp, as its program says");
            }
            let differs = report.active().iter().find(|&active| !announced.contains(active));
            if let Some(differs) = differs {
                return Err(unconfined(subject, &format!("its program has not set up {differs}")));
            }
        }
        None if report.is_launched => {}
        None => return Err(unconfined(subject, "its program has not confined itself")),
    }
    let lacking = |row: &&Row| row.state == ProtectionState::Degraded && sandbox.is_required(row.protection);
    missing(report.rows().iter().filter(lacking), subject)?;
    Ok(report)
}

/// Error of a worker that is not confined although its host asked for it.
pub(crate) fn unconfined(subject: &str, cause: &str) -> Error {
    let text = format!(
        "could not confirm the sandbox of {subject}: {cause}; it was ended before its first call, build its \
         program with the feature `sandbox` of the same version"
    );
    Error::new(ErrorKind::Sandbox, text)
}

fn missing<'a>(rows: impl Iterator<Item = &'a Row>, subject: &str) -> Result<(), Error> {
    let mut causes: Vec<(&str, Vec<Protection>)> = Vec::new();
    for row in rows {
        match causes.iter_mut().find(|(why, _)| *why == row.why) {
            Some((_, protections)) => protections.push(row.protection),
            None => causes.push((&row.why, vec![row.protection])),
        }
    }
    let Some((_, first)) = causes.first() else { return Ok(()) };
    let first = first[0];
    let cause = |(why, protections): &(&str, Vec<Protection>)| {
        let names: Vec<_> = protections.iter().map(|protection| protection.name()).collect();
        format!("{} cannot be had: {why}", names.join(", "))
    };
    let causes: Vec<_> = causes.iter().map(cause).collect();
    let text = format!(
        "could not confine {subject}: {}; use a system that has it, or accept the risk with \
         `.may_lack(Protection::{first:?})`",
        causes.join("; ")
    );
    Err(Error::new(ErrorKind::Sandbox, text))
}

/// Report of a system that cannot confine a worker.
#[cfg_attr(target_os = "linux", allow(dead_code))]
pub(super) fn unavailable(sandbox: &Sandbox, why: &'static str) -> Report {
    Report::new(|protection| match sandbox.asked.contains(protection) {
        true => Row::unavailable(protection, why),
        false => disabled(protection, sandbox.asked),
    })
}

/// Row of a protection that was not asked for.
pub(super) fn disabled(protection: Protection, asked: ProtectionSet) -> Row {
    debug_assert!(!asked.contains(protection));
    let is_limit = matches!(
        protection,
        Protection::Memory | Protection::CpuTime | Protection::OpenFiles | Protection::FileSize
    );
    Row::disabled(protection, if is_limit { "no limit was set" } else { "not asked for" })
}
