//! Dependencies between the modules of a crate.
//!
//! A file depends on another file if one of its paths (`use crate::…`, `super::…`) leads there,
//! directly or through re-exports. A module that names its own descendants does not depend on them,
//! because declaring and re-exporting them is its purpose.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::{CRATES, read, sources};

/// Path of a module below the crate's root, such as `["host", "builder"]`.
type Module = Vec<String>;

/// Modules of a crate, and the modules that each one depends on.
struct Graph {
    uses: BTreeMap<Module, BTreeSet<Module>>,
}

/// Paths and re-exports of one file.
#[derive(Default)]
struct Paths {
    /// Every path that begins with `crate`, `super` or `self`.
    used: Vec<Vec<String>>,
    /// Re-exported names, each with its path.
    exported: BTreeMap<String, Vec<String>>,
}

impl Graph {
    fn of(krate: &str) -> Self {
        let prefix = if krate.is_empty() { "src/".to_owned() } else { format!("{krate}/src/") };
        let files: BTreeMap<Module, Paths> = sources(krate)
            .iter()
            .filter(|source| !source.is_test())
            .map(|source| {
                let path = source.path.strip_prefix(&prefix).unwrap().trim_end_matches(".rs");
                let module = path.split('/').filter(|part| *part != "lib").map(str::to_owned).collect();
                (module, Paths::of(&source.code()))
            })
            .collect();
        let mut uses = BTreeMap::new();
        for (module, paths) in &files {
            let targets = paths.used.iter().filter_map(|path| resolve(&files, module, path, 0));
            uses.insert(module.clone(), targets.filter(|target| !target.starts_with(module)).collect());
        }
        Self { uses }
    }

    /// Returns the shortest cycle through the module `start`, or `None`.
    fn circle<'a>(&'a self, start: &'a Module) -> Option<Vec<&'a Module>> {
        let mut before: BTreeMap<&Module, &Module> = BTreeMap::new();
        let mut queue = std::collections::VecDeque::from([start]);
        while let Some(module) = queue.pop_front() {
            for target in &self.uses[module] {
                if target == start {
                    let mut circle = vec![start];
                    let mut at = module;
                    while at != start {
                        circle.insert(1, at);
                        at = before[at];
                    }
                    return Some(circle);
                }
                if self.uses.contains_key(target) && !before.contains_key(target) {
                    before.insert(target, module);
                    queue.push_back(target);
                }
            }
        }
        None
    }
}

impl Paths {
    fn of(code: &str) -> Self {
        let mut paths = Self::default();
        for statement in code.split(';') {
            let Some(at) = statement.rfind("use ").filter(|at| is_statement(&statement[..*at])) else {
                continue;
            };
            let is_exported =
                statement[..at].trim_end().ends_with("pub") || statement[..at].trim_end().ends_with(')');
            for path in expand(&statement[at + "use ".len()..]) {
                if is_exported {
                    paths.exported.insert(path.last().unwrap().clone(), path.clone());
                }
                paths.used.push(path);
            }
        }
        for anchor in ["crate::", "super::"] {
            for (at, _) in code.match_indices(anchor) {
                if code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':') {
                    continue;
                }
                let end = code[at..].find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'));
                let path = code[at..at + end.unwrap_or(code.len() - at)].trim_end_matches(':');
                paths.used.push(path.split("::").map(str::to_owned).collect());
            }
        }
        paths
    }
}

/// Returns `true` if a `use` that follows this text begins a statement.
fn is_statement(before: &str) -> bool {
    let line = before.rsplit('\n').next().unwrap().trim();
    line.is_empty() || line.starts_with("pub")
}

/// Paths of a `use` tree.
fn expand(tree: &str) -> Vec<Vec<String>> {
    let tree = tree.trim();
    let Some((prefix, list)) = tree.split_once('{') else {
        let path = tree.split(" as ").next().unwrap().trim();
        return vec![path.split("::").map(str::to_owned).collect()];
    };
    let prefix: Vec<String> = prefix.split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect();
    let list = list.strip_suffix('}').unwrap_or(list);
    let mut parts = vec![String::new()];
    let mut depth = 0;
    for c in list.chars() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        parts.last_mut().unwrap().push(c);
    }
    let parts = parts.iter().filter(|part| !part.trim().is_empty());
    parts.flat_map(|part| expand(part)).map(|path| [prefix.clone(), path].concat()).collect()
}

/// Module that defines the item at the end of a path, as far as the source files show.
fn resolve(files: &BTreeMap<Module, Paths>, from: &Module, path: &[String], depth: u32) -> Option<Module> {
    let mut rest = path;
    let mut module = match path.first()?.as_str() {
        "crate" => Module::new(),
        "super" | "self" => from.clone(),
        first => {
            let child = [from.clone(), vec![first.to_owned()]].concat();
            files.contains_key(&child).then(|| from.clone())?
        }
    };
    while let Some(first) = rest.first() {
        match first.as_str() {
            "crate" | "self" => {}
            "super" => drop(module.pop()),
            _ => break,
        }
        rest = &rest[1..];
    }
    while let Some(name) = rest.first() {
        let child = [module.clone(), vec![name.clone()]].concat();
        if !files.contains_key(&child) {
            break;
        }
        module = child;
        rest = &rest[1..];
    }
    let exported = rest.first().and_then(|name| files.get(&module)?.exported.get(name));
    match exported {
        Some(path) if depth < 8 => resolve(files, &module, path, depth + 1).or(Some(module)),
        _ => Some(module),
    }
}

/// Layers of the runtime, from the lowest to the highest: the numbered list in its documentation.
fn layers(graph: &Graph) -> BTreeMap<String, usize> {
    let text = read("runtime/src/lib.rs");
    let mut layers = BTreeMap::new();
    let mut layer = 0;
    for line in text.lines().map_while(|line| line.strip_prefix("//!")) {
        if line.trim_start().split_once(". ").is_some_and(|(number, _)| number.parse::<u32>().is_ok()) {
            layer += 1;
        } else if !line.starts_with("    ") {
            continue;
        }
        let quoted = line.split('`').skip(1).step_by(2).map(str::to_owned);
        layers.extend(
            quoted.filter(|name| graph.uses.contains_key(&vec![name.clone()])).map(|name| (name, layer)),
        );
    }
    layers
}

#[test]
fn modules_of_the_runtime_use_only_lower_layers() {
    let graph = Graph::of("runtime");
    let layers = layers(&graph);
    let layer = |module: &Module| {
        let name = module.first()?;
        Some(*layers.get(name).unwrap_or_else(|| panic!("add `{name}` to the layers in runtime/src/lib.rs")))
    };
    let mut found = Vec::new();
    for (module, targets) in &graph.uses {
        for target in targets.iter().filter(|target| target.first() != module.first()) {
            if let (Some(own), Some(other)) = (layer(module), layer(target))
                && other >= own
            {
                found.push(format!("{} uses {}", module.join("/"), target.join("/")));
            }
        }
    }
    assert!(layers.len() > 5, "{layers:?}");
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn files_have_no_dependency_cycles() {
    let mut found = BTreeSet::new();
    for krate in CRATES {
        let graph = Graph::of(krate);
        for module in graph.uses.keys() {
            if let Some(circle) = graph.circle(module) {
                let mut names: Vec<_> = circle.iter().map(|module| module.join("/")).collect();
                names.sort();
                found.insert(format!("{krate}: {}", names.join(", ")));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.into_iter().collect::<Vec<_>>().join("\n"));
}
