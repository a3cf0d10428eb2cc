//! The most important tables, in short rounds.

use super::{peers, round_trips, streams};
use crate::round;
use crate::table::targets;

pub fn measure(rounds: usize) {
    round::shorten();
    let mut tables = Vec::from(peers::measure(rounds));
    tables.extend([streams::measure(rounds), round_trips::measure(rounds)]);
    for table in &tables {
        println!("## {}\n\n{table}\n", table.name);
    }
    println!("## targets\n\n{}", targets(&tables));
}
