//! One contestant by itself, for a profiler: what it takes of both processors.

use std::time::Duration;

use crate::contestant::{Contestant, Ours, RawStd, RawTokio};
use crate::flavor::Flavor;
use crate::usage;
use crate::work::at_once;

pub fn run(name: &str, in_flight: usize, calls: usize) {
    match name {
        "ours" => of::<Ours>(in_flight, calls),
        "raw-tokio" => of::<RawTokio>(in_flight, calls),
        "raw-std" => of::<RawStd>(in_flight, calls),
        _ => panic!("which contestant? `ours`, `raw-tokio` or `raw-std`"),
    }
}

fn of<C: Contestant>(in_flight: usize, calls: usize) {
    Flavor::CurrentThread.runtime().block_on(async {
        let contestant = C::start(Flavor::CurrentThread).await;
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
