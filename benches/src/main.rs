//! `cargo run --release --manifest-path benches/Cargo.toml --features peers -- all` measures every table; each also by itself:
//! `-- <measurement> [rounds]`. Without `--features peers`, what others have made is neither built nor measured.
//!
//! - `all [rounds] [path]`: every table, as Markdown, as JSON in `target/benches/figures.json` or under another path, in
//!   `docs/performance.md` and as the chart `docs/performance.svg`.
//! - `compare`: our stack beside what one writes by hand, as ratios with their targets.
//! - `peers`: beside what others have made.
//! - `codecs`, `flavors`, `layers`: what a codec, tokio's flavor and empty middleware cost.
//! - `growth`: more calls in flight, larger bodies, more workers.
//! - `bodies`: large bodies over a socket, in shared memory and through a pipe.
//! - `starts`: what a start takes, and what it would without some of it.
//! - `memory`: what an idle worker and a call in flight hold.
//! - `failures`: from the death, or the stop, of a worker to the error at its callers.
//! - `pool`: what dispatch costs, tasks per second beside Python's `ProcessPoolExecutor`, start and recovery.
//! - `profile <contestant> <in flight> <calls> <threads>`: one of `ours`, `pool`, `raw-tokio`, `raw-std`, for a profiler, on
//!   one thread or two.
//! - `calls <layers> <in a row> <at once>`: makes so many calls one after the other and so many at once, for a profiler;
//!   `.ci/instructions` counts what they take.

mod all;
mod bodies;
mod calls;
#[cfg(feature = "peers")]
mod chart;
mod codecs;
mod compare;
mod contestant;
mod document;
mod failures;
mod figures;
mod flavor;
mod flavors;
mod growth;
mod layers;
mod memory;
#[cfg(feature = "peers")]
mod peers;
mod pool;
mod profile;
mod row;
mod service;
mod spread;
mod starts;
mod table;
mod unit;
mod usage;
mod work;

use isolated_workers::codec::Postcard;
use isolated_workers::{Error, is_worker, serve};

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
    // Only these have a word before their numbers.
    let contestant = if ["memory-of", "profile"].contains(&&*measurement) { args.next() } else { None };
    let contestant = contestant.unwrap_or_default();
    let mut number = |default| args.next().map_or(default, |number| number.parse().expect("a number"));
    match measurement.as_str() {
        "all" => all::measure(number(3), args.next().map(Into::into)).expect("files that can be written"),
        "compare" => println!("{}", compare::measure(number(5))),
        #[cfg(feature = "peers")]
        "peers" => println!("{}", peers::measure(number(3))),
        "bodies" => println!("{}", bodies::measure(number(3))),
        "codecs" => println!("{}", codecs::measure(number(5))),
        "flavors" => println!("{}", flavors::measure(number(5))),
        "layers" => println!("{}", layers::measure(number(5))),
        "growth" => growth::measure(number(3)).iter().for_each(|table| println!("{table}\n")),
        "starts" => println!("{}", starts::measure(number(3))),
        "memory" => println!("{}", memory::measure(number(3))),
        // What `memory` starts.
        "memory-of" => memory::of(&contestant),
        "pool" => pool::measure(number(7))?,
        "failures" => runtime.block_on(failures::measure(number(200)))?,
        "profile" => profile::run(&contestant, number(256), number(1_000_000), number(1)),
        "calls" => runtime.block_on(calls::calls(number(0), number(20_000), number(20_000)))?,
        _ => {
            eprintln!("which measurement? benches/src/main.rs lists them; `peers` wants `--features peers`");
            std::process::exit(2)
        }
    }
    Ok(())
}
