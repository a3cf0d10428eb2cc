//! The list of the places that make errors, in docs/executed.md.

use std::collections::BTreeSet;

use crate::source::{CRATES, read, sources};

/// Functions of `Error` that create one.
const CONSTRUCTORS: [&str; 4] = ["new(", "with_source(", "crashed(", "remote("];

/// Returns `true` if the code creates an `Error`, and not another type whose name ends like that.
fn makes_errors(code: &str) -> bool {
    code.match_indices("Error::").any(|(at, found)| {
        let is_whole = !code[..at].ends_with(|before: char| before.is_alphanumeric() || before == ':');
        let rest = &code[at + found.len()..];
        is_whole && CONSTRUCTORS.iter().any(|constructor| rest.starts_with(constructor))
    })
}

#[test]
fn the_page_lists_every_file_that_makes_errors() {
    let page = read("docs/executed.md");
    let first_cell = |row: &str| Some(row.strip_prefix("| `")?.split_once('`')?.0.to_owned());
    let listed: BTreeSet<String> = page.lines().filter_map(first_cell).collect();
    let making: BTreeSet<String> = CRATES
        .into_iter()
        .flat_map(sources)
        .filter(|source| !source.is_test() && !source.stem().ends_with("tests"))
        // Tools for tests.
        .filter(|source| !source.path.contains("/testing/") && source.stem() != "testing")
        // The constructors themselves, and macros, whose errors are those of the compiler.
        .filter(|source| !source.path.starts_with("macros/"))
        .filter(|source| source.path == "core/src/error.rs" || makes_errors(&source.code()))
        .map(|source| source.path)
        .collect();
    assert_eq!(listed, making, "left: docs/executed.md, right: files that make errors");
}
