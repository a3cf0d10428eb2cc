//! Links in the project's Markdown.
//!
//! Every link leads to a file and, if it names a heading, to a heading in that file. Every path in
//! the text that begins with a folder of the project exists. The book contains all its pages and
//! everything that they link to.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Prefixes of paths of this project.
const FOLDERS: [&str; 8] = ["cli/", "docs/", "examples/", "tests/", "benches/", "fuzz/", "codec/", ".ci/"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

fn pages(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy();
        if path.is_dir() && !name.starts_with('.') && !["target", "node_modules"].contains(&&*name) {
            pages(&path, found);
        } else if name.ends_with(".md") {
            found.push(path);
        }
    }
}

/// Lines outside code blocks.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut is_code = false;
    text.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        is_code ^= fence;
        !fence && !is_code
    })
}

/// Anchor of a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

fn anchors(page: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(page).unwrap();
    let headings = prose(&text).filter_map(|line| line.strip_prefix('#'));
    headings.map(|heading| anchor(heading.trim_start_matches('#'))).collect()
}

/// Targets of `[text](target)`, `![text](target)` and `src="target"`, without web addresses.
fn links(line: &str) -> impl Iterator<Item = &str> {
    let inline = line.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let attribute = line.split("src=\"").skip(1).filter_map(|rest| rest.split('"').next());
    inline.chain(attribute).filter(|target| !target.contains("://"))
}

/// Paths of this project in backticks.
fn paths(line: &str) -> impl Iterator<Item = &str> {
    let quoted = line.split('`').skip(1).step_by(2);
    quoted.filter(|text| {
        FOLDERS.iter().any(|folder| text.starts_with(folder)) && !text.contains([' ', '*', '<'])
    })
}

/// Returns `true` if a path leads to a file or a folder. For `file.rs::name`, the file must also
/// contain a function of this name.
fn exists(root: &Path, path: &str) -> bool {
    let Some((file, name)) = path.split_once("::") else { return root.join(path).exists() };
    let text = fs::read_to_string(root.join(file)).unwrap_or_default();
    text.contains(&format!("fn {name}("))
}

#[test]
fn every_link_and_path_exists() {
    let root = root();
    let mut found = Vec::new();
    pages(&root, &mut found);
    let mut broken = Vec::new();
    for page in &found {
        let name = page.strip_prefix(&root).unwrap().display();
        let text = fs::read_to_string(page).unwrap();
        for line in prose(&text) {
            for link in links(line) {
                let (file, heading) = link.split_once('#').unwrap_or((link, ""));
                let target = if file.is_empty() { page.clone() } else { page.with_file_name(file) };
                if !target.exists() {
                    broken.push(format!("{name}: there is no {link}"));
                } else if !heading.is_empty() && !anchors(&target).contains(heading) {
                    broken.push(format!("{name}: there is no heading {link}"));
                }
            }
            let missing = paths(line).filter(|path| !exists(&root, path));
            broken.extend(missing.map(|path| format!("{name}: there is no `{path}`")));
        }
    }
    assert!(found.len() > 30, "too few pages: {found:?}");
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn every_page_of_the_book_is_in_its_summary() {
    let docs = root().join("docs");
    let mut found = Vec::new();
    pages(&docs, &mut found);
    let summary = fs::read_to_string(docs.join("SUMMARY.md")).unwrap();
    let listed: BTreeSet<_> = summary.lines().flat_map(links).map(|link| docs.join(link)).collect();
    let left_out: Vec<_> =
        found.iter().filter(|page| !page.ends_with("SUMMARY.md") && !listed.contains(*page)).collect();
    assert!(left_out.is_empty(), "{left_out:?}");
}

#[test]
fn a_link_in_the_book_stays_in_the_book() {
    let docs = root().join("docs");
    let mut found = Vec::new();
    pages(&docs, &mut found);
    for page in &found {
        let text = fs::read_to_string(page).unwrap();
        for link in prose(&text).flat_map(links) {
            let file = link.split('#').next().unwrap();
            let target = page.with_file_name(file);
            let outside = !file.is_empty() && !target.canonicalize().unwrap().starts_with(&docs);
            assert!(!outside, "{}: {link} is not in the built book", page.display());
        }
    }
}

#[test]
fn heading_anchors_follow_the_rules_of_forges() {
    assert_eq!(anchor(" `Overloaded`"), "overloaded");
    assert_eq!(anchor(" What's left, and what's not"), "whats-left-and-whats-not");
    assert_eq!(anchor(" exec-time & more_or_less"), "exec-time--more_or_less");
}
