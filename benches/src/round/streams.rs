//! Rounds of contestants with streams.

use std::time::{Duration, Instant};

use super::{MIN_CALLS, figure_of, is_short, max_series};
use crate::contestant::Streams;
use crate::flavor::Flavor::CurrentThread;
use crate::items::Items;
use crate::measured::Measured;
use crate::row::Row;

use crate::usage::{self, CpuOfBoth};
use crate::work::Work;

/// Makes one round of a contestant with streams, and returns the figure.
pub fn round_with_streams<C: Streams>(row: &Row) -> Measured {
    usage::pin(row.is_pinned);
    C::block_on(&CurrentThread.runtime(), async {
        let contestant = C::start(CurrentThread).await;
        let figure = figure_with_streams(&contestant, row.work).await;
        contestant.stop().await;
        figure
    })
}

/// Measures a contestant that is already started.
pub async fn figure_with_streams<C: Streams>(contestant: &C, work: Work) -> Measured {
    match work {
        Work::Receive(items) => {
            let items = of_this_round(items);
            contestant.receive(items.tenth()).await;
            each(contestant, items.count, async { _ = contestant.receive(items).await }).await
        }
        Work::Send(items) => {
            let items = of_this_round(items);
            contestant.send(items.tenth()).await;
            each(contestant, items.count, contestant.send(items)).await
        }
        Work::FirstItem { streams } => {
            first_items(contestant, streams.div_ceil(10)).await;
            let cpu = CpuOfBoth::watch(contestant.pid());
            let mut times = first_items(contestant, streams).await;
            let cpu = Some(cpu.each(times.len()));
            times.sort_unstable();
            Measured { figure: times[times.len() / 2].as_secs_f64(), cpu }
        }
        Work::CallBack { calls } => {
            contestant.call_back(calls.div_ceil(10)).await;
            each(contestant, calls, contestant.call_back(calls)).await
        }
        _ => figure_of(contestant, work).await,
    }
}

/// Returns the time and the CPU time of this work, per call or item.
async fn each<C: Streams>(contestant: &C, count: u32, work: impl Future<Output = ()>) -> Measured {
    let cpu = CpuOfBoth::watch(contestant.pid());
    let start = Instant::now();
    work.await;
    let figure = start.elapsed().as_secs_f64() / f64::from(count);
    Measured { figure, cpu: Some(cpu.each(count as usize)) }
}

/// Returns a tenth of the items if rounds are short.
fn of_this_round(items: Items) -> Items {
    if is_short() { items.tenth() } else { items }
}

/// Returns the time of the first item of each of several streams, one stream after the other.
async fn first_items<C: Streams>(contestant: &C, streams: usize) -> Vec<Duration> {
    let mut times = Vec::with_capacity(streams);
    let start = Instant::now();
    while times.len() < streams && (times.len() < MIN_CALLS || start.elapsed() < max_series()) {
        let start = Instant::now();
        times.push(contestant.receive(Items { count: 1, bytes: 64 }).await - start);
    }
    times
}
