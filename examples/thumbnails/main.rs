//! Thumbnails of images that nobody vouches for: each is decoded in a worker process, and whatever one file does to its
//! worker, the others are written.
//!
//! ```text
//! cargo run --release --example thumbnails                   # the samples in examples/images, three of them broken
//! cargo run --release --example thumbnails -- <folder> <out> [--size 256] [--workers N] [--in-process]
//! ```
//!
//! A file that cannot be decoded costs a line. One that kills its worker is tried again in others, three times, and
//! then costs a line. One that takes longer than a minute costs a line and its worker. Kill workers while it runs: no
//! image is lost. `--in-process` makes the same calls without workers, and there one crash is the end of all. To see
//! both, run the built program after `ulimit -f 40` in bash, which makes it deadly to write a file of over 40 KB.
//!
//! What it costs: 200 images of about 1500x1000 (`--example make_images -- <folder> 200`) took 1.84 s in one worker and
//! 1.87 s in one thread, 0.96 s in two workers and 0.98 s in two threads: the best of 25 runs each, on two cores.

mod folder;
mod job;
mod options;
mod report;
mod scale_error;
mod service;
mod workers;

use std::process::ExitCode;

use isolated_workers::codec::Postcard;
use isolated_workers::{is_worker, serve};

use crate::options::{Options, USAGE};
use crate::service::{Scaler, Thumbnailer};

/// What is broken in examples/images.
const BROKEN: [&str; 3] = ["bomb.png", "broken.png", "not-an-image.jpg"];

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let ended = if is_worker() {
        serve(Scaler.into_service()).codec(Postcard).await.map(|()| 0).map_err(|error| format!("{error:#}"))
    } else {
        match Options::parse(std::env::args_os().skip(1)) {
            Ok(options) if options.is_demo => demo(options).await,
            Ok(options) => scale(options).await.map(|(code, _)| code),
            Err(error) => Err(format!("{error}\n\n{USAGE}")),
        }
    };
    ExitCode::from(ended.unwrap_or_else(|error| {
        eprintln!("{error}");
        2
    }))
}

/// Returns the exit code, and the files that failed.
async fn scale(options: Options) -> Result<(u8, Vec<String>), String> {
    let place = if options.in_process { "in this process" } else { "in workers" };
    let report = job::run(options).await?;
    println!("{place}: {report}");
    let code = if report.interrupted { 130 } else { u8::from(!report.failed.is_empty()) };
    Ok((code, report.failed))
}

/// The samples with isolation and without it, so that both times are seen.
async fn demo(mut options: Options) -> Result<u8, String> {
    for in_process in [false, true] {
        options.in_process = in_process;
        let (code, failed) = scale(options.clone()).await?;
        if failed != BROKEN {
            return Ok(code.max(1));
        }
        println!("3 failed, as they should: {}", failed.join(", "));
    }
    println!("the thumbnails are in {}", options.out.display());
    Ok(0)
}
