//! All tables in one run: printed, stored as JSON, and written to the documentation.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::{
    blocking, bodies, codecs, compare, flavors, growth, latency, layers, memory, peers, pool, round_trips,
    sandbox, starts, streams,
};
#[cfg(feature = "peers")]
use crate::chart;
use crate::table::{Table, targets};

pub fn measure(rounds: usize, json: Option<PathBuf>) -> io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let tables = tables(rounds);
    for table in &tables {
        println!("## {}\n\n{table}\n", table.name);
    }
    println!("## targets\n\n{}\n", targets(&tables));

    let json = json.unwrap_or_else(|| root.join("target/benches/figures.json"));
    if let Some(dir) = json.parent() {
        fs::create_dir_all(dir)?;
    }
    let figures = json!({
        "processors": std::thread::available_parallelism()?.get(),
        "rounds": rounds,
        "tables": tables.iter().map(Table::json).collect::<Vec<_>>(),
    });
    fs::write(&json, format!("{figures:#}\n"))?;
    update_document(&root.join("docs/performance.md"), &tables)?;
    #[cfg(feature = "peers")]
    draw_chart(&tables, &root.join("docs/performance.svg"))?;
    println!("Wrote all figures to {} and the tables to docs/performance.md.", json.display());
    Ok(())
}

fn tables(rounds: usize) -> Vec<Table> {
    let mut tables = vec![compare::measure(rounds)];
    tables.extend(peers::measure(rounds));
    tables.extend([codecs::measure(rounds), flavors::measure(rounds), blocking::measure(rounds)]);
    tables.push(layers::measure(rounds));
    tables.push(latency::measure(rounds));
    tables.extend(growth::measure(rounds));
    tables.extend([
        starts::measure(rounds),
        sandbox::measure(rounds),
        bodies::measure(rounds),
        memory::measure(rounds),
    ]);
    tables.extend([pool::dispatch(rounds), streams::measure(rounds), round_trips::measure(rounds)]);
    tables
}

/// Replaces each table in the document, which stands between a comment with its name and the next
/// `<!-- end -->`.
fn update_document(document: &Path, tables: &[Table]) -> io::Result<()> {
    let mut text = fs::read_to_string(document)?;
    let parts = tables.iter().map(|table| (table.name, table.to_string()));
    for (name, part) in parts.chain([("targets", targets(tables))]) {
        if let Some(updated) = replace_table(&text, name, &part) {
            text = updated;
        }
    }
    fs::write(document, text)
}

fn replace_table(text: &str, name: &str, table: &str) -> Option<String> {
    let (before, rest) = text.split_once(&format!("<!-- table: {name} -->\n"))?;
    let (_, after) = rest.split_once("<!-- end -->")?;
    Some(format!("{before}<!-- table: {name} -->\n\n{table}\n\n<!-- end -->{after}"))
}

/// Draws the contestants on one thread.
#[cfg(feature = "peers")]
fn draw_chart(tables: &[Table], to: &Path) -> io::Result<()> {
    fs::write(to, chart::draw(tables, "isolated-workers", |column| !column.ends_with("two threads")))
}
