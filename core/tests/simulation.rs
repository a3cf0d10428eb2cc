//! Random scenarios between two connections, checked against a model.
//!
//! `ISOLATED_WORKERS_SEEDS` sets the number of seeds (`1000000`) or their range (`17..18`).
//!
//! ```text
//! ISOLATED_WORKERS_SEEDS=1000000 cargo test --release -p isolated-workers-core --test simulation
//! ```

use std::ops::Range;

use isolated_workers_core::testing::{Simulation, Summary, simulate};

/// Default range of seeds. Takes a few seconds in a debug build.
const SEEDS: Range<u64> = 0..8000;

fn seeds() -> Range<u64> {
    let Ok(text) = std::env::var("ISOLATED_WORKERS_SEEDS") else { return SEEDS };
    let number = |text: &str| {
        text.parse::<u64>().expect("ISOLATED_WORKERS_SEEDS must be a number or a range such as `17..18`")
    };
    match text.split_once("..") {
        Some((start, end)) => number(start)..number(end),
        None => 0..number(&text),
    }
}

#[test]
fn connections_keep_the_rules_in_every_scene() {
    let seeds = seeds();
    let mut all = Summary::default();
    for seed in seeds.clone() {
        all += simulate(seed);
    }
    println!("seeds {seeds:?}: {all:#?}");
    // Scenarios without events would pass too.
    if seeds.end - seeds.start >= SEEDS.end {
        for (name, count) in all.counts() {
            assert!(count > 500, "{name} happened only {count} times");
        }
    }
}

#[test]
fn a_seed_is_reproducible() {
    for seed in 0..200 {
        let steps = Simulation::new(seed).steps();
        assert!(steps.len() >= 10, "seed {seed}: {steps:#?}");
        assert_eq!(steps, Simulation::new(seed).steps(), "seed {seed}");
    }
}
