//! `cargo run --release --manifest-path benches/Cargo.toml -- <measurement> [samples]`
//!
//! - `failures`: from the death, or the stop, of a worker to the error at its callers.

mod failures;
mod service;
mod spread;

use isolated_workers::{Error, Postcard, is_worker, serve};

use service::Work;

fn main() -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    if is_worker() {
        return runtime.block_on(async { serve(service::Worker.into_service()).codec(Postcard).await });
    }
    let mut args = std::env::args().skip(1);
    let measurement = args.next().unwrap_or_default();
    let samples = args.next().map_or(200, |samples| samples.parse().expect("a number of samples"));
    match measurement.as_str() {
        "failures" => runtime.block_on(failures::measure(samples)),
        _ => {
            eprintln!("which measurement? `failures`");
            std::process::exit(2)
        }
    }
}
