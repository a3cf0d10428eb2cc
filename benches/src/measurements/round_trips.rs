//! Other round trips next to that of a call. They differ less than two pairs of processes, so they
//! share one pair and take turns.

use crate::contestant::Contestant;
use crate::contestants::ServingHost;
use crate::flavor::Flavor::CurrentThread;
use crate::round::{figure_of, figure_with_streams};
use crate::row::Row;
use crate::table::{Layout, Table};
use crate::usage;
use crate::work::Work;

const COLUMNS: [&str; 2] = ["a call", "this round trip"];

const CALLBACK: Work = Work::CallBack { calls: 1_000 };
const FIRST_ITEM: Work = Work::FirstItem { streams: 1_000 };

const ROWS: [Row; 4] = [
    Row::new("callback", CALLBACK),
    Row::new("callback, pinned", CALLBACK).pinned().target(1.05),
    Row::new("first item of a stream", FIRST_ITEM),
    Row::new("first item of a stream, pinned", FIRST_ITEM).pinned().target(1.1),
];

/// Number of turns of each in a round.
const TURNS: usize = 15;

fn turns(row: &Row) -> Vec<f64> {
    usage::pin(row.is_pinned);
    // Each is measured in the same way as the calls that it is compared with.
    let call = match row.work {
        Work::CallBack { calls } => Work::Throughput { in_flight: 1, calls: calls as usize },
        Work::FirstItem { streams } => Work::Latency { bytes: 64, calls: streams },
        _ => unreachable!("no row of this table"),
    };
    CurrentThread.runtime().block_on(async {
        let contestant = ServingHost::start(CurrentThread).await;
        let mut figures = Vec::new();
        for _ in 0..TURNS {
            figures.push(figure_of(&contestant, call).await.figure);
            figures.push(figure_with_streams(&contestant, row.work).await.figure);
        }
        contestant.stop().await;
        figures
    })
}

pub fn measure(rounds: usize) -> Table {
    Table::measure_together("round-trips", Layout::Spread, &COLUMNS, &ROWS, rounds, turns)
}
