//! Source files of the workspace, read without a compiler.

use std::fs;
use std::path::{Path, PathBuf};

/// Folders of the published crates, below the root.
pub(crate) const CRATES: [&str; 9] =
    ["", "core", "codec", "transport", "middleware", "runtime", "macros", "cli", "fleet"];

/// A source file.
pub(crate) struct Source {
    /// Path below the root, with `/` as the separator.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl Source {
    /// Text without the unit tests at the end of the file.
    pub(crate) fn without_tests(&self) -> &str {
        let end = self.text.match_indices("\nmod tests {").find_map(|(at, _)| {
            let attribute = self.text[..at].rfind('\n')? + 1;
            let line = &self.text[attribute..at];
            (line.starts_with("#[cfg(") && line.contains("test")).then_some(attribute)
        });
        &self.text[..end.unwrap_or(self.text.len())]
    }

    /// Code lines without comment lines and unit tests.
    pub(crate) fn code(&self) -> String {
        let lines = self.without_tests().lines().filter(|line| !line.trim_start().starts_with("//"));
        lines.collect::<Vec<_>>().join("\n")
    }

    /// Name of the file without the extension.
    pub(crate) fn stem(&self) -> &str {
        let name = self.path.rsplit('/').next().unwrap();
        name.strip_suffix(".rs").unwrap_or(name)
    }

    /// Returns `true` if the file is compiled for tests only.
    pub(crate) fn is_test(&self) -> bool {
        ["tests", "simulation"].contains(&self.stem())
            || self.path.split('/').any(|folder| folder == "tests" || folder == "simulation")
    }
}

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

pub(crate) fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Rust files below a folder, sorted by their paths.
pub(crate) fn rust_files(folder: &str) -> Vec<Source> {
    let mut paths = Vec::new();
    collect(&root().join(folder), &mut paths);
    paths.sort();
    let sources = paths.into_iter().map(|path| Source {
        path: path.strip_prefix(root()).unwrap().display().to_string().replace('\\', "/"),
        text: fs::read_to_string(&path).unwrap(),
    });
    sources.collect()
}

/// Rust files below the `src` folder of a crate.
pub(crate) fn sources(krate: &str) -> Vec<Source> {
    let folder = Path::new(krate).join("src");
    rust_files(folder.to_str().unwrap())
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() {
            if !name.starts_with('.') && name != "target" {
                collect(&path, found);
            }
        } else if name.ends_with(".rs") {
            found.push(path);
        }
    }
}
