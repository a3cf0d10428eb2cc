//! Dependencies between the crates of the workspace.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// Crates that each crate may depend on. All others are forbidden. `macros` generates code that
/// names the facade, and depends on none.
const ALLOWED: &[(&str, &[&str])] = &[
    ("isolated-workers", &["core", "codec", "transport", "middleware", "runtime", "macros"]),
    ("isolated-workers-runtime", &["core", "codec", "transport", "middleware"]),
    ("isolated-workers-middleware", &["core", "codec"]),
    ("isolated-workers-codec", &["core"]),
    ("isolated-workers-transport", &[]),
    ("isolated-workers-core", &[]),
    ("isolated-workers-macros", &[]),
    ("isolated-workers-cli", &[FACADE]),
];

/// Facade, in [`ALLOWED`].
const FACADE: &str = "";

#[test]
fn crates_depend_on_each_other_in_one_direction() {
    let metadata = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--no-deps", "--offline"])
        .arg("--manifest-path")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"))
        .output()
        .unwrap();
    assert!(metadata.status.success(), "{}", String::from_utf8_lossy(&metadata.stderr));
    let metadata: Value = serde_json::from_slice(&metadata.stdout).unwrap();

    let mut used: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let packages = metadata["packages"].as_array().unwrap().iter();
    // Tests and examples may use any.
    for package in packages.filter(|package| package["publish"].is_null()) {
        let name = package["name"].as_str().unwrap();
        let dependencies = package["dependencies"].as_array().unwrap().iter();
        let ours = dependencies
            .filter(|dependency| dependency["kind"] != "dev")
            .filter_map(|dependency| dependency["name"].as_str())
            .filter(|dependency| dependency.starts_with("isolated-workers"));
        used.insert(name, ours.collect());
    }

    for (name, allowed) in ALLOWED {
        let full_name = |name: &&str| match *name {
            FACADE => "isolated-workers".to_owned(),
            name => format!("isolated-workers-{name}"),
        };
        let allowed: BTreeSet<_> = allowed.iter().map(full_name).collect();
        let used = used.remove(name).unwrap_or_else(|| panic!("{name} is not in the workspace"));
        for dependency in used {
            assert!(allowed.contains(dependency), "{name} must not use {dependency}");
        }
    }
    assert!(used.is_empty(), "add {:?} to ALLOWED", used.keys());
}
