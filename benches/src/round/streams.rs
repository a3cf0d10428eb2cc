//! Rounds of contestants with streams.

use std::time::{Duration, Instant};

use super::{MAX_SERIES, MIN_CALLS, figure_of};
use crate::contestant::Streams;
use crate::flavor::Flavor::CurrentThread;
use crate::items::Items;
use crate::row::Row;

use crate::usage;
use crate::work::Work;

/// Makes one round of a contestant with streams, and returns the figure.
pub fn round_with_streams<C: Streams>(row: &Row) -> f64 {
    usage::pin(row.is_pinned);
    C::block_on(&CurrentThread.runtime(), async {
        let contestant = C::start(CurrentThread).await;
        let figure = figure_with_streams(&contestant, row.work).await;
        contestant.stop().await;
        figure
    })
}

/// Measures a contestant that is already started.
pub async fn figure_with_streams<C: Streams>(contestant: &C, work: Work) -> f64 {
    match work {
        Work::Receive(items) => {
            contestant.receive(items.tenth()).await;
            let start = Instant::now();
            contestant.receive(items).await;
            each(start, items.count)
        }
        Work::Send(items) => {
            contestant.send(items.tenth()).await;
            let start = Instant::now();
            contestant.send(items).await;
            each(start, items.count)
        }
        Work::FirstItem { streams } => {
            first_items(contestant, streams.div_ceil(10)).await;
            let mut times = first_items(contestant, streams).await;
            times.sort_unstable();
            times[times.len() / 2].as_secs_f64()
        }
        Work::CallBack { calls } => {
            contestant.call_back(calls.div_ceil(10)).await;
            let start = Instant::now();
            contestant.call_back(calls).await;
            each(start, calls)
        }
        _ => figure_of(contestant, work).await,
    }
}

fn each(start: Instant, count: u32) -> f64 {
    start.elapsed().as_secs_f64() / f64::from(count)
}

/// Returns the time of the first item of each of several streams, one stream after the other.
async fn first_items<C: Streams>(contestant: &C, streams: usize) -> Vec<Duration> {
    let mut times = Vec::with_capacity(streams);
    let start = Instant::now();
    while times.len() < streams && (times.len() < MIN_CALLS || start.elapsed() < MAX_SERIES) {
        let start = Instant::now();
        times.push(contestant.receive(Items { count: 1, bytes: 64 }).await - start);
    }
    times
}
