//! `cargo run --release --manifest-path benches/Cargo.toml -- <measurement> [samples]`
//!
//! - `compare`: our stack beside what one writes by hand, as ratios with their targets.
//! - `failures`: from the death, or the stop, of a worker to the error at its callers.
//! - `layers`: what empty middleware costs, 0, 1, 4 and 8 of it on the host, in alternating rounds.
//! - `peers`: what others do in these columns, with `--features peers`.
//! - `pool`: what dispatch costs, tasks a second beside Python's `ProcessPoolExecutor`, start and recovery.
//! - `profile <contestant> <in flight> <calls> <bytes>`: one of `ours`, `raw-tokio`, `raw-std`, for a profiler.
//! - `calls <layers> <in a row> <at once>`: makes so many calls one after the other and so many at once, for a profiler;
//!   `.ci/instructions` counts what they take.

mod compare;
mod contestant;
mod failures;
mod figures;
mod flavor;
mod layers;
#[cfg(feature = "peers")]
mod peers;
mod pool;
mod profile;
mod service;
mod spread;
mod usage;
mod work;

use isolated_workers::{Error, Postcard, is_worker, serve};

use service::Work;

fn main() -> Result<(), Error> {
    if contestant::serve_if_child() {
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    if is_worker() {
        return runtime.block_on(async { serve(service::Worker.into_service()).codec(Postcard).await });
    }
    let mut args = std::env::args().skip(1);
    let measurement = args.next().unwrap_or_default();
    // Only `profile` has a word before its numbers.
    let contestant = if measurement == "profile" { args.next() } else { None };
    let mut number = |default| args.next().map_or(default, |number| number.parse().expect("a number"));
    match measurement.as_str() {
        "compare" => {
            compare::measure(number(5));
            Ok(())
        }
        #[cfg(feature = "peers")]
        "peers" => {
            peers::measure(number(5));
            Ok(())
        }
        "pool" => pool::measure(number(7)),
        "failures" => runtime.block_on(failures::measure(number(200))),
        "layers" => runtime.block_on(layers::measure(number(30))),
        "profile" => {
            profile::run(&contestant.unwrap_or_default(), number(256), number(1_000_000), number(64));
            Ok(())
        }
        "calls" => runtime.block_on(layers::calls(number(0), number(20_000), number(20_000))),
        _ => {
            eprintln!("which measurement? `compare`, `failures`, `layers`, `peers`, `pool` or `calls`");
            std::process::exit(2)
        }
    }
}
