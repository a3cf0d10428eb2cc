//! One contestant by itself, for a profiler: what it takes of both processors.

use bytes::Bytes;

use crate::contestant::{Contestant, Ours, RawStd, RawTokio};
use crate::flavor::Flavor;
use crate::work::throughput_of;
use crate::usage;

pub fn run(name: &str, in_flight: usize, calls: usize, bytes: usize) {
    match name {
        "ours" => of::<Ours>(in_flight, calls, bytes),
        "raw-tokio" => of::<RawTokio>(in_flight, calls, bytes),
        "raw-std" => of::<RawStd>(in_flight, calls, bytes),
        _ => panic!("which contestant? `ours`, `raw-tokio` or `raw-std`"),
    }
}

fn of<C: Contestant>(in_flight: usize, calls: usize, bytes: usize) {
    let data = Bytes::from(vec![7; bytes]);
    Flavor::CurrentThread.runtime().block_on(async {
        let contestant = C::start(Flavor::CurrentThread).await;
        let (host, child) = (std::process::id(), contestant.pid());
        throughput_of(&contestant, data.clone(), in_flight, calls / 10).await;
        let before = (usage::cpu(host), usage::cpu(child));
        let wall = throughput_of(&contestant, data.clone(), in_flight, calls).await;
        let after = (usage::cpu(host), usage::cpu(child));
        let each = |before, after: std::time::Duration| (after - before).as_secs_f64() * 1e6 / calls as f64;
        println!(
            "{:.3} µs a call; processor of the host {:.3} µs, of the child {:.3} µs",
            wall * 1e6,
            each(before.0, after.0),
            each(before.1, after.1),
        );
        contestant.stop().await;
    })
}
