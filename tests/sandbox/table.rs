//! The attempts to escape, and the table of them in docs/guides/security.md.

use std::collections::BTreeMap;

use isolated_workers::sandbox::Protection;

use crate::escapes::{self, Escape};
use crate::{page, run};

/// Outcomes of all attempts, by their numbers.
fn outcomes(way: &str) -> BTreeMap<usize, String> {
    let printed = run(&["host", way, "attempts"]);
    let attempts = printed.lines().filter_map(|line| line.strip_prefix("attempt\t")?.split_once('\t'));
    attempts.map(|(number, outcome)| (number.parse().unwrap(), outcome.to_owned())).collect()
}

/// Mechanism that refuses an attempt, from its error. Panics if it was not refused.
fn refused_by(escape: &Escape, outcome: &str) -> &'static str {
    match (outcome, escape.protection) {
        ("EPERM", _) => "seccomp (`EPERM`)",
        ("ENOSYS", _) => "seccomp (`ENOSYS`)",
        ("EACCES", _) => "Landlock (`EACCES`)",
        ("EXDEV", Protection::FileWrite) => "Landlock (`EXDEV`)",
        ("EMFILE", Protection::OpenFiles) => "`RLIMIT_NOFILE` (`EMFILE`)",
        // The host's descriptors are closed before `main`.
        ("EBADF", Protection::FileRead) => "closed descriptors (`EBADF`)",
        ("entity not found", Protection::Environment) => "a clean environment",
        _ => panic!("`{}` was not refused: {outcome:?}", escape.name),
    }
}

#[test]
fn every_attempt_to_escape_is_refused_as_the_security_page_says() {
    let outcomes = outcomes("own");
    assert_eq!(outcomes.len(), escapes::ALL.len());
    assert!(outcomes.len() > 40);
    let mut table = String::from("| attempt | protection | refused by |\n|---|---|---|\n");
    for (number, escape) in escapes::ALL.iter().enumerate() {
        let by = refused_by(escape, &outcomes[&number]);
        table += &format!("| {} | `{}` | {by} |\n", escape.name, escape.protection);
    }
    assert!(
        page("guides/security.md").contains(&table),
        "docs/guides/security.md lacks this table:\n{table}"
    );
}

#[test]
fn every_attempt_to_escape_from_a_launched_program_is_refused() {
    for (number, outcome) in outcomes("launched") {
        refused_by(&escapes::ALL[number], &outcome);
    }
}

#[test]
fn the_attempts_succeed_without_a_sandbox() {
    if !crate::is_root() {
        return;
    }
    let outcomes = outcomes("free");
    for (number, escape) in escapes::ALL.iter().enumerate().filter(|(_, escape)| escape.works_unconfined) {
        assert_eq!(outcomes[&number], "", "{}", escape.name);
    }
}

#[test]
fn a_confined_worker_can_still_work() {
    for way in ["own", "launched"] {
        assert_eq!(run(&["host", way, "work"]).trim(), "allowed");
    }
}
