//! Pages that show errors, and masking of the parts of a text that differ between runs.

use isolated_workers::ErrorKind;
use isolated_workers::error::Executed;

pub(crate) const ERRORS: &str = include_str!("../../docs/guides/errors.md");
pub(crate) const TROUBLESHOOTING: &str = include_str!("../../docs/guides/troubleshooting.md");

/// Block of a page that shows an error: ` ```text label Executed`.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) label: String,
    pub(crate) executed: String,
    /// Heading of its section. On the errors page, this is the kind.
    pub(crate) section: String,
    pub(crate) text: String,
}

/// Returns every block of a page that shows an error.
pub(crate) fn shown(page: &str) -> Vec<Shown> {
    let mut section = String::new();
    let mut shown = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if let Some(title) = line.strip_prefix("### ") {
            section = title.trim_matches('`').to_owned();
        }
        let Some(information) = line.strip_prefix("```text ") else { continue };
        let (label, executed) =
            information.split_once(' ').expect("a block with a label and an `Executed` value");
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

/// Rows of the table on the errors page: the name of a kind, and its default `Executed` value.
pub(crate) fn table() -> Vec<(String, String)> {
    let rows = ERRORS.lines().filter_map(|line| line.strip_prefix("| [`"));
    rows.map(|row| {
        let (kind, rest) = row.split_once('`').unwrap();
        let executed = rest.split('|').nth(1).unwrap().trim().trim_matches('`');
        (kind.to_owned(), executed.to_owned())
    })
    .collect()
}

/// Rows that [`table`] must have.
pub(crate) fn kinds() -> Vec<(String, String)> {
    let default = |kind| isolated_workers::Error::new(kind, "").executed();
    ErrorKind::ALL.iter().map(|&kind| (format!("{kind:?}"), named(default(kind)))).collect()
}

pub(crate) fn named(executed: Executed) -> String {
    format!("{executed:?}")
}

/// Masks the parts of a text that differ between runs: process ids, fingerprints of services, the
/// folder of a file, and line numbers.
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
