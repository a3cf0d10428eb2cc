//! Names at the root of the facade.

use std::collections::BTreeSet;

use crate::source::{CRATES, read, sources};

/// Upper bound for names at the root of the facade, modules not counted.
const MAX_ROOT_NAMES: usize = 15;

#[test]
fn the_facade_has_few_names_at_its_root() {
    let facade = read("src/lib.rs");
    let modules: BTreeSet<String> = CRATES
        .into_iter()
        .flat_map(sources)
        .flat_map(|source| {
            let modules = source.text.lines().filter_map(|line| line.strip_prefix("pub mod "));
            modules.map(|rest| rest.trim_end_matches(['{', ';', ' ']).to_owned()).collect::<Vec<_>>()
        })
        .collect();
    let mut names = BTreeSet::new();
    for (at, _) in facade.match_indices("\npub use ") {
        let path = facade[at + "\npub use ".len()..].split(';').next().unwrap();
        let list = path.split_once('{').map_or(path, |(_, list)| list.trim_end_matches('}'));
        let items = list.split(',').map(str::trim).filter(|item| !item.is_empty());
        names.extend(items.map(|item| item.rsplit([':', ' ']).next().unwrap().to_owned()));
    }
    names.retain(|name| !modules.contains(name));
    assert!(names.contains("Worker"), "{names:?}");
    assert!(names.len() <= MAX_ROOT_NAMES, "{} names: {names:?}", names.len());
}
