use std::borrow::Cow;
use std::fmt;

use super::protection::{Protection, ProtectionSet};

/// Protections of a worker and their states. `Display` writes a table with a row for each protection.
///
/// ```text
/// protection        state        by                 why
/// file-read         active       Landlock ABI 6
/// memory            disabled                        no limit was set
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    rows: Vec<Row>,
    /// `true` if a launcher executes the program, which may not know this library.
    pub(super) is_launched: bool,
    /// Protection that such a program adds once it is loaded. The handshake shows if it did.
    pub(super) added_by_program: Option<Protection>,
}

/// Row of a [`Report`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Row {
    /// The protection.
    pub protection: Protection,
    /// ProtectionState of the protection.
    pub state: ProtectionState,
    /// Mechanism of the system that enforces it. Empty if none does.
    pub by: Cow<'static, str>,
    /// Reason for any other state than `Active`. Otherwise empty.
    pub why: Cow<'static, str>,
}

/// ProtectionState of a protection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProtectionState {
    /// The system enforces it.
    Active,
    /// The system enforces a part of it.
    Degraded,
    /// It was not asked for.
    Disabled,
    /// It was asked for, and the system cannot enforce it.
    Unavailable,
}

impl ProtectionState {
    /// Name in the table.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Degraded => "degraded",
            Self::Disabled => "disabled",
            Self::Unavailable => "unavailable",
        }
    }
}

impl fmt::Display for ProtectionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Row {
    pub(super) fn active(protection: Protection, by: impl Into<Cow<'static, str>>) -> Self {
        Self { protection, state: ProtectionState::Active, by: by.into(), why: Cow::Borrowed("") }
    }

    #[cfg_attr(not(target_os = "linux"), allow(dead_code))]
    pub(super) fn degraded(
        protection: Protection,
        by: impl Into<Cow<'static, str>>,
        why: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { protection, state: ProtectionState::Degraded, by: by.into(), why: why.into() }
    }

    pub(super) fn disabled(protection: Protection, why: impl Into<Cow<'static, str>>) -> Self {
        Self { protection, state: ProtectionState::Disabled, by: Cow::Borrowed(""), why: why.into() }
    }

    pub(super) fn unavailable(protection: Protection, why: impl Into<Cow<'static, str>>) -> Self {
        Self { protection, state: ProtectionState::Unavailable, by: Cow::Borrowed(""), why: why.into() }
    }
}

impl Report {
    /// `row` returns the row of each protection.
    pub(super) fn new(row: impl FnMut(Protection) -> Row) -> Self {
        let rows = Protection::ALL.iter().copied().map(row).collect();
        Self { rows, is_launched: false, added_by_program: None }
    }

    /// Report of a worker without a sandbox.
    pub(crate) fn unconfined() -> Self {
        Self::new(|protection| Row::disabled(protection, "the worker has no sandbox"))
    }

    /// Report of a worker that another host has started: `announced` are the protections that the
    /// worker names.
    pub(crate) fn announced(announced: ProtectionSet) -> Self {
        Self::new(|protection| match announced.contains(protection) {
            true => Row::active(protection, "announced by the worker"),
            false => Row::disabled(protection, "the worker announces none"),
        })
    }

    /// All rows, in the order of [`Protection::ALL`].
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// ProtectionState of a protection.
    pub fn state(&self, protection: Protection) -> ProtectionState {
        self.rows[protection as usize].state
    }

    /// Returns `true` if the system enforces the protection as a whole.
    pub fn is_active(&self, protection: Protection) -> bool {
        self.state(protection) == ProtectionState::Active
    }

    pub(super) fn row_mut(&mut self, protection: Protection) -> &mut Row {
        &mut self.rows[protection as usize]
    }

    /// Protections that are active.
    pub(crate) fn active(&self) -> ProtectionSet {
        let active = self.rows.iter().filter(|row| row.state == ProtectionState::Active);
        ProtectionSet::of(&active.map(|row| row.protection).collect::<Vec<_>>())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let by = self.rows.iter().map(|row| row.by.len()).max().unwrap_or_default().max("by".len());
        let mut line = |protection: &str, state: &str, mechanism: &str, why: &str| {
            let line = format!("{protection:<16}  {state:<11}  {mechanism:<by$}  {why}");
            writeln!(f, "{}", line.trim_end())
        };
        line("protection", "state", "by", "why")?;
        self.rows.iter().try_for_each(|row| line(row.protection.name(), row.state.name(), &row.by, &row.why))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_a_table() {
        let report = Report::new(|protection| match protection {
            Protection::FileRead => Row::active(protection, "Landlock ABI 6"),
            Protection::Tcp => Row::unavailable(protection, "the kernel has no seccomp"),
            _ => Row::disabled(protection, "not asked for"),
        });
        let table = report.to_string();
        let lines: Vec<_> = table.lines().collect();
        assert_eq!(lines.len(), 1 + Protection::ALL.len());
        assert_eq!(lines[0], "protection        state        by              why");
        assert_eq!(lines[1], "file-read         active       Landlock ABI 6");
        assert_eq!(lines[5], "tcp               unavailable                  the kernel has no seccomp");
        for (at, &protection) in Protection::ALL.iter().enumerate() {
            assert_eq!(report.rows()[at].protection, protection);
        }
    }
}
