//! Makes thumbnails of untrusted images. Each image is decoded in a worker process, so a file that
//! crashes or hangs its worker does not affect the others.
//!
//! ```text
//! # the samples in examples/images, three of which are broken
//! cargo run --release --example thumbnails
//! cargo run --release --example thumbnails -- \
//!     <folder> <out> [--size 256] [--workers N] [--in-process]
//! ```
//!
//! - A file that cannot be decoded is reported as failed.
//! - A file that crashes its worker is retried three times in other workers. Then it is reported as
//!   failed.
//! - A file that takes longer than a minute is reported as failed, and its worker is killed.
//! - If you kill workers while it runs, no image is lost.
//!
//! `--in-process` runs the same calls in threads of this process, so one crash ends everything. To
//! see the difference, run the built program after `ulimit -f 40` in bash, which kills processes
//! that write a file of more than 40 KiB.
//!
//! Cost of the isolation: 200 images of about 1500x1000 pixels
//! (`--example make_images -- <folder> 200`) took 1.84 s in one worker and 1.87 s in one thread,
//! 0.96 s in two workers and 0.98 s in two threads. Best of 25 runs each, on two cores.

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

/// Samples in examples/images that cannot be decoded.
const BROKEN: [&str; 3] = ["bomb.png", "broken.png", "not-an-image.jpg"];

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let result = if is_worker() {
        serve(Scaler.into_service()).codec(Postcard).await.map(|()| 0).map_err(|error| format!("{error:#}"))
    } else {
        match Options::parse(std::env::args_os().skip(1)) {
            Ok(options) if options.is_demo => demo(options).await,
            Ok(options) => scale(options).await.map(|(code, _)| code),
            Err(error) => Err(format!("{error}\n\n{USAGE}")),
        }
    };
    ExitCode::from(result.unwrap_or_else(|error| {
        eprintln!("{error}");
        2
    }))
}

/// Scales a folder. Returns the exit code and the files that failed.
async fn scale(options: Options) -> Result<(u8, Vec<String>), String> {
    let mode = if options.in_process { "in this process" } else { "in workers" };
    let report = job::run(options).await?;
    println!("{mode}: {report}");
    let code = if report.interrupted { 130 } else { u8::from(!report.failed.is_empty()) };
    Ok((code, report.failed))
}

/// Scales the samples with and without isolation, to compare the times.
async fn demo(mut options: Options) -> Result<u8, String> {
    for in_process in [false, true] {
        options.in_process = in_process;
        let (code, failed) = scale(options.clone()).await?;
        if failed != BROKEN {
            return Ok(code.max(1));
        }
        println!("3 failed, as expected: {}", failed.join(", "));
    }
    println!("the thumbnails are in {}", options.out.display());
    Ok(0)
}
