//! Simulation of a pool: random scenarios with a virtual clock, checked against a model.
//!
//! A seed determines a scenario. To run more of them:
//!
//! ```text
//! ISOLATED_WORKERS_SEEDS=1000000 cargo test --release -p isolated-workers-runtime --lib pool
//! ```

mod event_counts;
mod fake_worker;
mod model;
mod world;

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use self::event_counts::EventCounts;
use self::world::World;

/// Seeds of a normal test run, which takes a few seconds in a debug build.
const SEEDS: Range<u64> = 0..4000;

fn seeds() -> Range<u64> {
    let Ok(text) = std::env::var("ISOLATED_WORKERS_SEEDS") else { return SEEDS };
    let number =
        |text: &str| text.parse::<u64>().expect("set ISOLATED_WORKERS_SEEDS to a number or a range `17..18`");
    match text.split_once("..") {
        Some((start, end)) => number(start)..number(end),
        None => 0..number(&text),
    }
}

#[test]
fn the_scheduler_agrees_with_the_model_in_random_scenarios() {
    let seeds = seeds();
    let mut all = EventCounts::default();
    for seed in seeds.clone() {
        let run = catch_unwind(AssertUnwindSafe(|| World::new(seed).run()));
        match run {
            Ok(counts) => all.add(&counts),
            Err(_) => panic!("reproduce this failure with ISOLATED_WORKERS_SEEDS={seed}..{}", seed + 1),
        }
    }
    println!("seeds {seeds:?}: {all:?}");
    // Scenarios without events would pass too, so each event must have happened.
    if seeds.end - seeds.start >= SEEDS.end {
        all.each(|name, count| assert!(count > 300, "{name} happened only {count} times"));
    }
}
