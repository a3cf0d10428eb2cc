//! One contestant alone, for a profiler: time per call and CPU time of both processes.

use std::time::{Duration, Instant};

use crate::contestant::{Contestant, Streams};
use crate::contestants::{Ours, Pooled, RawStd, RawTokio, ServingHost};
use crate::flavor::Flavor;
use crate::items::Items;
use crate::round::at_once;
use crate::usage;

pub fn run(name: &str, in_flight: usize, calls: usize, threads: usize) {
    let flavor = if threads > 1 { Flavor::MultiThread } else { Flavor::CurrentThread };
    match name {
        "ours" => of::<Ours>(flavor, in_flight, calls),
        "pool" => of::<Pooled>(flavor, in_flight, calls),
        "raw-tokio" => of::<RawTokio>(flavor, in_flight, calls),
        "raw-std" => of::<RawStd>(flavor, in_flight, calls),
        "receive" => items(flavor, in_flight, calls, true),
        "send" => items(flavor, in_flight, calls, false),
        _ => panic!("unknown name: choose `ours`, `pool`, `raw-tokio`, `raw-std`, `receive` or `send`"),
    }
}

fn of<C: Contestant>(flavor: Flavor, in_flight: usize, calls: usize) {
    flavor.runtime().block_on(async {
        let contestant = C::start(flavor).await;
        at_once(&contestant, in_flight, calls / 10, Duration::MAX).await;
        print_each(&contestant, calls, async {
            _ = at_once(&contestant, in_flight, calls, Duration::MAX).await
        })
        .await;
        contestant.stop().await;
    })
}

/// Items from the child, or to it.
fn items(flavor: Flavor, bytes: usize, count: usize, is_received: bool) {
    flavor.runtime().block_on(async {
        let contestant = ServingHost::start(flavor).await;
        let items = Items { count: count as u32, bytes: bytes as u32 };
        let pass = async |items: Items| match is_received {
            true => _ = contestant.receive(items).await,
            false => contestant.send(items).await,
        };
        pass(items.tenth()).await;
        print_each(&contestant, count, pass(items)).await;
        contestant.stop().await;
    })
}

/// Prints the time and the CPU time of this work, divided by `count`.
async fn print_each<C: Contestant>(contestant: &C, count: usize, work: impl Future<Output = ()>) {
    let (host, child) = (std::process::id(), contestant.pid());
    let (start, before) = (Instant::now(), (usage::cpu(host), usage::cpu(child)));
    work.await;
    let (wall, after) = (start.elapsed(), (usage::cpu(host), usage::cpu(child)));
    let each = |time: Duration| time.as_secs_f64() * 1e6 / count as f64;
    println!(
        "{:.3} µs each; processor of the host {:.3} µs, of the child {:.3} µs",
        each(wall),
        each(after.0 - before.0),
        each(after.1 - before.1),
    );
}
