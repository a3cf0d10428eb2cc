//! Statements of ARCHITECTURE.md that the source can confirm.

use std::collections::BTreeSet;

use crate::source::{CRATES, read, sources};

/// Text of a section of ARCHITECTURE.md.
fn section(title: &str) -> String {
    let text = read("ARCHITECTURE.md");
    let section = text.split(&format!("\n## {title}\n")).nth(1);
    let section = section.unwrap_or_else(|| panic!("ARCHITECTURE.md has no section {title:?}"));
    section.split("\n## ").next().unwrap().to_owned()
}

/// Items of a numbered list, each on one line.
fn items(section: &str) -> Vec<String> {
    let mut items: Vec<String> = Vec::new();
    for line in section.lines() {
        let is_first = line.split_once(". ").is_some_and(|(number, _)| number.parse::<u32>().is_ok());
        match items.last_mut() {
            Some(item) if !is_first => {
                item.push(' ');
                item.push_str(line.trim());
            }
            _ if is_first => items.push(line.to_owned()),
            _ => {}
        }
    }
    items
}

/// Texts in backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// Returns `true` if the source defines a test with this name.
fn has_test(source: &str, name: &str) -> bool {
    let mut has_attribute = false;
    source.lines().map(str::trim).any(|line| {
        let function = line.trim_start_matches("async ").strip_prefix("fn ");
        let is_test = has_attribute
            && function
                .and_then(|function| function.strip_prefix(name))
                .is_some_and(|rest| rest.starts_with('('));
        has_attribute = line.starts_with("#[") && (has_attribute || line.contains("test"));
        is_test
    })
}

#[test]
fn architecture_lists_exactly_the_files_with_unsafe_code() {
    let section = section("Unsafe code");
    let listed: BTreeSet<_> =
        quoted(&section).filter(|text| text.ends_with(".rs")).map(str::to_owned).collect();
    // The lint is denied in the workspace, so a file with unsafe code must allow it.
    let allowing: BTreeSet<_> = CRATES
        .into_iter()
        .flat_map(sources)
        .filter(|source| source.text.contains("allow(unsafe_code"))
        .map(|source| source.path)
        .collect();
    assert_eq!(listed, allowing, "left: ARCHITECTURE.md, right: files that allow `unsafe_code`");
}

#[test]
fn every_invariant_names_an_existing_test_or_says_that_there_is_none() {
    let invariants = items(&section("Invariants"));
    assert!(invariants.len() >= 10, "{invariants:?}");
    for invariant in invariants {
        let (_, held_by) = invariant
            .split_once("Held by: ")
            .unwrap_or_else(|| panic!("add \"Held by: …\" to the invariant: {invariant}"));
        let tests: Vec<_> = quoted(held_by).filter_map(|text| text.split_once("::")).collect();
        assert!(
            !tests.is_empty() || held_by.starts_with("no test"),
            "name a test, or \"no test\": {invariant}"
        );
        for (file, name) in tests {
            assert!(has_test(&read(file), name), "{file} has no test `{name}`: {invariant}");
        }
    }
}
