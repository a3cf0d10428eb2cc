//! The pages that show errors, and what of a text differs each time.

use isolated_workers::{ErrorKind, Executed};

pub(crate) const ERRORS: &str = include_str!("../../docs/guides/errors.md");
pub(crate) const TROUBLES: &str = include_str!("../../docs/guides/troubleshooting.md");

/// A block of a page that shows an error: ` ```text label Executed`.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) label: String,
    pub(crate) executed: String,
    /// The section that it is in: on the page of errors, a kind.
    pub(crate) section: String,
    pub(crate) text: String,
}

/// Every block of a page that shows an error.
pub(crate) fn shown(page: &str) -> Vec<Shown> {
    let mut section = String::new();
    let mut shown = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if let Some(title) = line.strip_prefix("### ") {
            section = title.trim_matches('`').to_owned();
        }
        let Some(information) = line.strip_prefix("```text ") else { continue };
        let (label, executed) = information.split_once(' ').expect("a block says what is known to have run");
        let text: Vec<_> = lines.by_ref().take_while(|line| *line != "```").collect();
        shown.push(Shown {
            label: label.to_owned(),
            executed: executed.to_owned(),
            section: section.clone(),
            text: text.join("\n"),
        });
    }
    shown
}

/// What the table of the page of errors says of each kind: its name, and whether its message may have been run.
pub(crate) fn table() -> Vec<(String, String)> {
    let rows = ERRORS.lines().filter_map(|line| line.strip_prefix("| [`"));
    rows.map(|row| {
        let (kind, rest) = row.split_once('`').unwrap();
        let executed = rest.split('|').nth(1).unwrap().trim().trim_matches('`');
        (kind.to_owned(), executed.to_owned())
    })
    .collect()
}

/// What [`table`] should say.
pub(crate) fn kinds() -> Vec<(String, String)> {
    let default = |kind| isolated_workers::Error::new(kind, "").executed();
    ErrorKind::ALL.iter().map(|&kind| (format!("{kind:?}"), named(default(kind)))).collect()
}

pub(crate) fn named(executed: Executed) -> String {
    format!("{executed:?}")
}

/// The text without what differs each time: the numbers of processes, the fingerprints of services, the folders in front of
/// a file's name, and the line of a source.
pub(crate) fn masked(text: &str) -> String {
    text.split('\n').map(masked_line).collect::<Vec<_>>().join("\n")
}

fn masked_line(line: &str) -> String {
    let mut before = "";
    let mut words = Vec::new();
    for word in line.split(' ') {
        let digits = word.trim_matches(['(', ')', ',', ';']);
        let is_fingerprint = digits.len() == 16 && digits.chars().all(|digit| digit.is_ascii_hexdigit());
        let name = word.rsplit_once('/').map_or(word, |(_, name)| name);
        words.push(match name.split_once(".rs:") {
            _ if before == "(pid" || is_fingerprint => "N",
            Some((source, _)) => source,
            None => name,
        });
        before = word;
    }
    words.join(" ")
}
