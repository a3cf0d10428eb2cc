//! Checks that `docs/dependencies.md` gives a reason for every dependency of the published crates,
//! and lists no other.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const MEMBERS: [&str; 9] =
    [".", "core", "codec", "transport", "middleware", "runtime", "macros", "cli", "fleet"];

fn read(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    fs::read_to_string(root.join(path)).unwrap()
}

/// Names in `[dependencies]` and in `[target.….dependencies]` of a manifest, except crates of the
/// workspace.
fn dependencies(manifest: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut is_dependencies = false;
    for line in manifest.lines() {
        if line.starts_with('[') {
            let is_target = line.starts_with("[target.") && line.ends_with(".dependencies]");
            is_dependencies = line == "[dependencies]" || is_target;
        } else if let Some(end) = line.find(['.', ' ']).filter(|_| is_dependencies && !line.starts_with('#'))
        {
            found.insert(line[..end].to_owned());
        }
    }
    found.retain(|name| !name.starts_with("isolated-workers"));
    found
}

#[test]
fn every_dependency_has_a_documented_reason() {
    let page = read("docs/dependencies.md");
    let reasons: BTreeSet<_> = page
        .lines()
        .filter_map(|row| row.strip_prefix("| `"))
        .filter_map(|row| row.split_once("` | "))
        .map(|(name, _)| name.to_owned())
        .collect();
    let dependencies: BTreeSet<_> =
        MEMBERS.iter().flat_map(|member| dependencies(&read(&format!("{member}/Cargo.toml")))).collect();
    assert!(dependencies.len() > 20, "{dependencies:?}");
    assert_eq!(reasons, dependencies);
}
