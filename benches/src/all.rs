//! Every table in one run, printed, kept as JSON, drawn, and put into the documentation.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::table::{Table, targets};
use crate::{bodies, codecs, compare, document, flavors, growth, layers, memory, pool, starts};
#[cfg(feature = "peers")]
use crate::{chart, peers};

pub fn measure(rounds: usize, json: Option<PathBuf>) -> io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let tables = tables(rounds);
    for table in &tables {
        println!("## {}\n\n{table}\n", table.name);
    }
    println!("## targets\n\n{}\n", targets(&tables));

    let json = json.unwrap_or_else(|| root.join("target/benches/figures.json"));
    if let Some(folder) = json.parent() {
        fs::create_dir_all(folder)?;
    }
    let figures = json!({
        "processors": std::thread::available_parallelism()?.get(),
        "rounds": rounds,
        "tables": tables.iter().map(Table::json).collect::<Vec<_>>(),
    });
    fs::write(&json, format!("{figures:#}\n"))?;
    document::update(&root.join("docs/performance.md"), &tables)?;
    #[cfg(feature = "peers")]
    draw(&tables, &root.join("docs/performance.svg"))?;
    println!("{} has every figure, docs/performance.md these tables.", json.display());
    Ok(())
}

fn tables(rounds: usize) -> Vec<Table> {
    let mut tables = vec![compare::measure(rounds)];
    #[cfg(feature = "peers")]
    tables.push(peers::measure(rounds));
    tables.extend([codecs::measure(rounds), flavors::measure(rounds), layers::measure(rounds)]);
    tables.extend(growth::measure(rounds));
    tables.extend([starts::measure(rounds), bodies::measure(rounds), memory::measure(rounds)]);
    tables.push(pool::dispatch(rounds));
    tables
}

/// Those that run on one thread, which is what each of them is fastest on.
#[cfg(feature = "peers")]
fn draw(tables: &[Table], to: &Path) -> io::Result<()> {
    let peers = tables.iter().find(|table| table.name == "peers").expect("it was measured");
    fs::write(to, chart::draw(peers, "isolated-workers", |column| !column.ends_with("two threads")))
}
