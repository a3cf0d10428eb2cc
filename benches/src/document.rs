//! `docs/performance.md`, in which each table has a place: what a run has measured takes the place of the last one's.

use std::fs;
use std::io;
use std::path::Path;

use crate::table::{self, Table};

/// Puts each table between its comment and the next `<!-- end -->`.
pub fn update(document: &Path, tables: &[Table]) -> io::Result<()> {
    let mut text = fs::read_to_string(document)?;
    let parts = tables.iter().map(|table| (table.name, table.to_string()));
    for (name, part) in parts.chain([("targets", table::targets(tables))]) {
        if let Some(updated) = replaced(&text, name, &part) {
            text = updated;
        }
    }
    fs::write(document, text)
}

fn replaced(text: &str, name: &str, table: &str) -> Option<String> {
    let (before, rest) = text.split_once(&format!("<!-- table: {name} -->\n"))?;
    let (_, after) = rest.split_once("<!-- end -->")?;
    Some(format!("{before}<!-- table: {name} -->\n\n{table}\n\n<!-- end -->{after}"))
}
