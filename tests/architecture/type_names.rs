//! Type names. Each has one meaning in its crate.

use std::collections::BTreeMap;

use crate::source::{CRATES, Source, sources};

/// Folder of types that have the names of the async API, which they repeat for programs without a
/// runtime.
const REPEATED: &str = "runtime/src/blocking/";

/// Names of files and folders that contain the code of one platform.
const PLATFORMS: [&str; 9] =
    ["unix", "windows", "linux", "macos", "apple", "other", "kqueue", "inotify", "unsupported"];

/// Platform that a file is for: the parts of its path that are in [`PLATFORMS`].
fn platform(source: &Source) -> Vec<&str> {
    let parts = source.path.trim_end_matches(".rs").split('/');
    parts.filter(|part| PLATFORMS.contains(part)).collect()
}

fn is_counted(source: &Source) -> bool {
    !source.is_test() && !source.path.starts_with(REPEATED)
}

/// Names of the structs, enums and traits that a file defines.
fn types(code: &str) -> impl Iterator<Item = &str> {
    code.lines().filter_map(|line| {
        let line = line.trim_start();
        let line = match line.strip_prefix("pub") {
            Some(rest) if rest.starts_with('(') => rest.split_once(") ")?.1,
            Some(rest) => rest.trim_start(),
            None => line,
        };
        let name = ["struct ", "enum ", "trait ", "unsafe trait "]
            .iter()
            .find_map(|kind| line.strip_prefix(kind))?;
        let name = name.split(|c: char| !c.is_alphanumeric()).next()?;
        name.starts_with(char::is_uppercase).then_some(name)
    })
}

#[test]
fn no_type_name_has_two_meanings_in_a_crate() {
    let mut found = Vec::new();
    for krate in CRATES {
        let sources = sources(krate);
        let code: Vec<_> = sources
            .iter()
            .filter(|source| is_counted(source))
            .map(|source| (source, source.code()))
            .collect();
        let mut seen: BTreeMap<&str, Vec<&Source>> = BTreeMap::new();
        for (source, code) in &code {
            for name in types(code) {
                seen.entry(name).or_default().push(source);
            }
        }
        for (name, places) in seen {
            let clash = places.iter().enumerate().any(|(at, one)| {
                places[at + 1..].iter().any(|other| {
                    let (one, other) = (platform(one), platform(other));
                    one.starts_with(&other) || other.starts_with(&one)
                })
            });
            if clash {
                let paths: Vec<_> = places.iter().map(|source| source.path.as_str()).collect();
                found.push(format!("{name}: {}", paths.join(", ")));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}
