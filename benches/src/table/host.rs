//! A host process for each round. A host that has measured before has warm memory and code: after a
//! body of 10 MB it is fast with large bodies, whichever contestant comes next.

use std::env::{self, VarError};
use std::process::{Command, Stdio};
use std::thread;

use crate::measured::Measured;
use crate::round;
use crate::row::Row;

/// The environment variable that names the round of a process: the table, and the numbers of row
/// and column.
const ROUND_VARIABLE: &str = "BENCH_ROUND";

/// Makes a round of this column in a separate process, which is this program with the same
/// arguments. `None` if it has failed; its standard error names the reason.
pub(super) fn round(table: &str, row: usize, column: usize) -> Option<Vec<Measured>> {
    let mut program = Command::new(env::current_exe().expect("this program"));
    program.args(env::args_os().skip(1)).env(ROUND_VARIABLE, format!("{table} {row} {column}"));
    let output = program.stderr(Stdio::inherit()).output().ok().filter(|output| output.status.success())?;
    String::from_utf8(output.stdout).ok()?.lines().map(str::parse).collect::<Result<_, _>>().ok()
}

/// Returns `true` if this process was started for a round of another table, `false` if for no
/// round. For a round of this table it prints the figures that `run` measures, and does not return.
pub(super) fn is_another(table: &str, rows: &[Row], run: impl Fn(&Row, usize) -> Vec<Measured>) -> bool {
    let wanted = match env::var(ROUND_VARIABLE) {
        Ok(wanted) => wanted,
        Err(VarError::NotPresent) => return false,
        Err(error) => panic!("{error}"),
    };
    let wanted: Vec<_> = wanted.split(' ').collect();
    let [name, row, column] = wanted[..] else { panic!("invalid round: {wanted:?}") };
    if name != table {
        return true;
    }
    let number = |text: &str| text.parse::<usize>().expect("a number");
    thread::spawn(|| {
        thread::sleep(round::timeout());
        eprintln!("the round has not ended within {:?}", round::timeout());
        std::process::exit(1)
    });
    for measured in run(&rows[number(row)], number(column)) {
        println!("{measured}");
    }
    std::process::exit(0)
}
