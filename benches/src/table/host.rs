//! A host of its own for each round: one that has measured something has memory at hand, and code, that it would not have. A host
//! that has once had ten megabytes and given them back is fast with large bodies from then on, whoever it measures.

use std::env::{self, VarError};
use std::process::{Command, Stdio};

use crate::figures::Figures;
use crate::row::Row;

/// Which round this process was started for: the table's name and the numbers of row and column.
const VARIABLE: &str = "BENCH_ROUND";

/// Has a process of its own make a round of this column, by starting this program as it was started itself. `None`: it has
/// failed, and has said why.
pub(super) fn round(table: &str, row: usize, column: usize) -> Option<Figures> {
    let mut program = Command::new(env::current_exe().expect("this program"));
    program.args(env::args_os().skip(1)).env(VARIABLE, format!("{table} {row} {column}"));
    Figures::printed_by(program.stderr(Stdio::inherit()))
}

/// Whether this process was started for a round, and not of this table. For a round of this table it does not return, and
/// prints the figures that `run` makes of a row and a column.
pub(super) fn is_another(table: &str, rows: &[Row], run: impl Fn(&Row, usize) -> Vec<f64>) -> bool {
    let wanted = match env::var(VARIABLE) {
        Ok(wanted) => wanted,
        Err(VarError::NotPresent) => return false,
        Err(error) => panic!("{error}"),
    };
    let wanted: Vec<_> = wanted.split(' ').collect();
    let [name, row, column] = wanted[..] else { panic!("no round: {wanted:?}") };
    if name != table {
        return true;
    }
    let number = |text: &str| text.parse::<usize>().expect("a number");
    for figure in run(&rows[number(row)], number(column)) {
        println!("{figure}");
    }
    std::process::exit(0)
}
