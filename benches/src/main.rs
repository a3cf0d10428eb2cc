//! Measures what isolated-workers costs, relative to baselines in the same run.
//!
//! `cargo run --release --manifest-path benches/Cargo.toml --features peers -- all` measures every
//! table. `-- <measurement> [rounds]` measures one. Without `--features peers`, other libraries are
//! neither built nor measured.
//!
//! - `all [rounds] [path]`: all tables, as Markdown, as JSON in `target/benches/figures.json` or at
//!   `path`, in `docs/performance.md`, and as the chart `docs/performance.svg`.
//! - `quick`: the most important tables, in short rounds. Takes less than two minutes.
//! - `compare`: our stack relative to a hand-written tokio connection, with targets.
//! - `peers`: other libraries, with calls in flight and bodies of each size.
//! - `codecs`, `flavors`, `layers`: the cost of a codec, of tokio's flavor, of empty middleware.
//! - `blocking`: the blocking client, next to the async one.
//! - `growth`: more calls in flight, larger bodies, more workers.
//! - `bodies`: large bodies over a socket, in shared memory, and through a pipe.
//! - `starts`: the time of a start, with and without some of its parts.
//! - `sandbox`: the start of a confined worker, and its calls.
//! - `latency`: the settings of `Latency`, on an idle machine and on a busy one.
//! - `idle [seconds]`: CPU time and memory of workers that have nothing to do.
//! - `memory`: the memory of an idle worker and of a call in flight.
//! - `failures`: the time from the death or the stop of a worker to the error at its callers.
//! - `pool`: the cost of dispatch, tasks per second next to Python's `ProcessPoolExecutor`, the
//!   time of a start and of a recovery.
//! - `streams`: items and callbacks of our stack, of a hand-written connection and of other
//!   libraries.
//! - `round-trips`: a callback and the first item of a stream, relative to a call.
//! - `profile <contestant> <in flight> <calls> <threads>`: one contestant for a profiler: `ours`,
//!   `pool`, `raw-tokio` or `raw-std`, on one thread or two. `profile receive <bytes> <items>` and
//!   `profile send <bytes> <items>`: items of a stream of our stack.
//! - `calls <layers> <in a row> <at once>`: calls one after the other and calls at once, for a
//!   profiler. `.ci/instructions` counts their instructions.

#[cfg(feature = "peers")]
mod chart;
mod contestant;
mod contestants;
mod figures;
mod flavor;
mod items;
mod measured;
mod measurements;
mod round;
mod row;
mod service;
mod table;
mod target;
mod unit;
mod usage;
mod work;

use isolated_workers::codec::Postcard;
use isolated_workers::{Error, is_worker, serve};

use measurements::{
    all, blocking, bodies, calls, codecs, compare, failures, flavors, growth, idle, latency, layers, memory,
    peers, pool, profile, quick, round_trips, sandbox, starts, streams,
};
use service::Bench;

fn main() -> Result<(), Error> {
    if contestants::serve_if_child() {
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    if is_worker() {
        let serve =
            serve(service::BenchWorker.into_service()).codec(Postcard).latency(calls::worker_latency());
        return runtime.block_on(async { serve.await });
    }
    let mut args = std::env::args().skip(1);
    let measurement = args.next().unwrap_or_default();
    // Only these measurements have a word before their numbers.
    let contestant = if ["memory-of", "profile"].contains(&&*measurement) { args.next() } else { None };
    let contestant = contestant.unwrap_or_default();
    let mut number = |default| args.next().map_or(default, |number| number.parse().expect("a number"));
    match measurement.as_str() {
        "all" => all::measure(number(3), args.next().map(Into::into)).expect("files that can be written"),
        "compare" => println!("{}", compare::measure(number(5))),
        "quick" => quick::measure(number(1)),
        "peers" => peers::measure(number(3)).iter().for_each(|table| println!("{table}\n")),
        "blocking" => println!("{}", blocking::measure(number(5))),
        "bodies" => println!("{}", bodies::measure(number(3))),
        "codecs" => println!("{}", codecs::measure(number(5))),
        "flavors" => println!("{}", flavors::measure(number(5))),
        "layers" => println!("{}", layers::measure(number(5))),
        "growth" => growth::measure(number(3)).iter().for_each(|table| println!("{table}\n")),
        "idle" => idle::measure(number(60)),
        "latency" => println!("{}", latency::measure(number(3))),
        // `latency` starts this program with this argument.
        "busy" => latency::be_busy(),
        "sandbox" => println!("{}", sandbox::measure(number(3))),
        "starts" => println!("{}", starts::measure(number(3))),
        "memory" => println!("{}", memory::measure(number(3))),
        // `memory` starts this program with this argument.
        "memory-of" => memory::print_figures_of(&contestant),
        "pool" => pool::measure(number(7))?,
        "failures" => runtime.block_on(failures::measure(number(200)))?,
        "streams" => println!("{}", streams::measure(number(3))),
        "round-trips" => println!("{}", round_trips::measure(number(3))),
        "profile" => profile::run(&contestant, number(256), number(1_000_000), number(1)),
        "calls" => runtime.block_on(calls::calls(number(0), number(20_000), number(20_000)))?,
        _ => {
            eprintln!("unknown measurement; choose one from benches/src/main.rs");
            std::process::exit(2)
        }
    }
    Ok(())
}
