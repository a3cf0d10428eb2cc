//! One contestant alone, for a profiler: time per call and CPU time of both processes.

use std::time::Duration;

use crate::contestant::Contestant;
use crate::contestants::{Ours, Pooled, RawStd, RawTokio};
use crate::flavor::Flavor;
use crate::round::at_once;
use crate::usage;

pub fn run(name: &str, in_flight: usize, calls: usize, threads: usize) {
    let flavor = if threads > 1 { Flavor::MultiThread } else { Flavor::CurrentThread };
    match name {
        "ours" => of::<Ours>(flavor, in_flight, calls),
        "pool" => of::<Pooled>(flavor, in_flight, calls),
        "raw-tokio" => of::<RawTokio>(flavor, in_flight, calls),
        "raw-std" => of::<RawStd>(flavor, in_flight, calls),
        _ => panic!("unknown contestant: choose `ours`, `pool`, `raw-tokio` or `raw-std`"),
    }
}

fn of<C: Contestant>(flavor: Flavor, in_flight: usize, calls: usize) {
    flavor.runtime().block_on(async {
        let contestant = C::start(flavor).await;
        let (host, child) = (std::process::id(), contestant.pid());
        at_once(&contestant, in_flight, calls / 10, Duration::MAX).await;
        let before = (usage::cpu(host), usage::cpu(child));
        let (_, wall) = at_once(&contestant, in_flight, calls, Duration::MAX).await;
        let after = (usage::cpu(host), usage::cpu(child));
        let each = |before, after: Duration| (after - before).as_secs_f64() * 1e6 / calls as f64;
        println!(
            "{:.3} µs a call; processor of the host {:.3} µs, of the child {:.3} µs",
            each(Duration::ZERO, wall),
            each(before.0, after.0),
            each(before.1, after.1),
        );
        contestant.stop().await;
    })
}
