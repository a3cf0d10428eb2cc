//! The memory of an idle worker and of a call in flight. Each round is a separate process: a
//! process that has measured before has free memory left and would not request any.

use std::process::Command;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::{Either, join_all, select};
use futures_util::stream::FuturesUnordered;

use crate::contestant::{Contestant, PendingCall};
use crate::contestants::{Ours, RawTokio};
use crate::figures::Figures;
use crate::flavor::Flavor::CurrentThread;
use crate::table::{Line, Table};
use crate::unit::Unit;
use crate::usage::{self, Load};

const WORKERS: usize = 32;

const CALLS: usize = 10_000;

const LINES: [&str; 5] = [
    "idle worker, resident",
    "idle worker, private",
    "host, per worker",
    "host, per call in flight",
    "worker, per call in flight",
];

const CONTESTANTS: [&str; 2] = [RawTokio::CHILD, Ours::CHILD];

pub fn measure(rounds: usize) -> Table {
    let load = Load::watch();
    let mut lines = LINES.map(|_| CONTESTANTS.map(|_| Figures::default()));
    for _ in 0..rounds {
        for (column, contestant) in CONTESTANTS.into_iter().enumerate() {
            for (line, figure) in lines.iter_mut().zip(in_a_process(contestant)) {
                line[column].0.push(figure);
            }
        }
    }
    let lines = LINES.into_iter().zip(lines);
    let lines = lines.map(|(name, figures)| Line::new(name, Unit::Bytes, figures.into())).collect();
    Table::of("memory", vec!["raw-tokio", "isolated-workers"], lines, load.note(rounds))
}

fn in_a_process(contestant: &str) -> Vec<f64> {
    let program = std::env::current_exe().expect("this program");
    Figures::printed_by(Command::new(program).args(["memory-of", contestant]))
        .expect("`memory-of` prints its figures")
        .0
}

/// Prints the figures of one contestant.
pub fn print_figures_of(contestant: &str) {
    let figures = match contestant {
        RawTokio::CHILD => figures::<RawTokio>(),
        Ours::CHILD => figures::<Ours>(),
        other => panic!("{other} is not a contestant of this table"),
    };
    println!("{}", figures.map(|figure| figure.to_string()).join(" "));
}

fn figures<C: PendingCall>() -> [f64; 5] {
    CurrentThread.runtime().block_on(async {
        let contestant = started::<C>().await;
        let (host, child) = (std::process::id(), contestant.pid());
        let (resident, idle) = (usage::resident(child), usage::private(child));

        let before = usage::private(host);
        let more = join_all((0..WORKERS).map(|_| started::<C>())).await;
        let for_workers = usage::private(host).saturating_sub(before);
        join_all(more.into_iter().map(Contestant::stop)).await;

        // A contestant of its own: the calls need not share memory that the others have freed.
        let own = started::<C>().await;
        let before = (usage::private(host), usage::private(own.pid()));
        let mut waiting: FuturesUnordered<_> = (0..CALLS).map(|_| own.pending()).collect();
        // The worker has them once a later call was answered.
        for _ in 0..2 {
            match select(waiting.next(), std::pin::pin!(own.echo(Bytes::from_static(b"x")))).await {
                Either::Left(_) => panic!("a pending call was answered"),
                Either::Right(_) => {}
            }
        }
        let after = (usage::private(host), usage::private(own.pid()));
        drop(waiting);
        let each = |before: u64, after: u64, of: usize| after.saturating_sub(before) as f64 / of as f64;
        let figures = [
            resident as f64,
            idle as f64,
            each(0, for_workers, WORKERS),
            each(before.0, after.0, CALLS),
            each(before.1, after.1, CALLS),
        ];
        own.stop().await;
        contestant.stop().await;
        figures
    })
}

async fn started<C: Contestant>() -> C {
    let contestant = C::start(CurrentThread).await;
    contestant.echo(Bytes::from_static(&[7; 64])).await;
    contestant
}
