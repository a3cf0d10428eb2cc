//! Makes thumbnails of untrusted images. Each image is decoded in a worker process, so a file that
//! crashes or hangs its worker does not affect the others. On Linux, the workers are confined to the
//! two folders: a file that takes its decoder over gets nothing else.
//!
//! ```text
//! # many copies of the samples in examples/thumbnails/images, while workers are killed
//! cargo run --release -p thumbnails
//! cargo run --release -p thumbnails -- \
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

mod folder;
mod job;
mod killer;
mod options;
mod report;
mod scale_error;
mod service;
mod workers;

use std::fmt::Display;
use std::io::{self, Write as _};
use std::process::ExitCode;

use isolated_workers::codec::Postcard;
use isolated_workers::{is_worker, serve};

use crate::options::{Command, Options, USAGE};
use crate::report::Report;
use crate::service::{Scaler, Thumbnailer};

/// Samples that cannot be decoded.
const BROKEN: [&str; 3] = ["bomb.png", "broken.png", "not-an-image.jpg"];

/// Exit code after Ctrl-C, as shells have it.
const INTERRUPTED: u8 = 130;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let result = if is_worker() {
        serve(Scaler.into_service()).codec(Postcard).await.map(|()| 0).map_err(|error| format!("{error:#}"))
    } else {
        match Command::parse(std::env::args_os().skip(1)) {
            Ok(Command::Scale(options)) => scale(options).await,
            Ok(Command::Demo(options)) => demo(options).await,
            Ok(Command::Help) => {
                print(USAGE);
                Ok(0)
            }
            Err(error) => Err(format!("{error}\n\n{USAGE}")),
        }
    };
    ExitCode::from(result.unwrap_or_else(|error| {
        let _ = writeln!(io::stderr(), "{error}");
        2
    }))
}

/// Prints a line. A reader that has gone away, such as `head`, is no error.
fn print(line: impl Display) {
    let _ = writeln!(io::stdout(), "{line}");
}

/// Scales a folder. Returns the exit code.
async fn scale(options: Options) -> Result<u8, String> {
    let report = job::run(&options).await?;
    let mut failed = String::new();
    let _ = report.list_failed(&mut failed);
    let _ = write!(io::stderr(), "{failed}");
    print(format_args!("in {}: {report}", if options.in_process { "this process" } else { "workers" }));
    Ok(if report.interrupted { INTERRUPTED } else { u8::from(!report.failed.is_empty()) })
}

/// Scales the samples in one thread, and then in workers while one after the other is killed.
/// Returns the exit code.
async fn demo(options: Options) -> Result<u8, String> {
    // New files: replacing one takes the file system longer than a thumbnail.
    let _ = std::fs::remove_dir_all(&options.out);
    let alone = Options { workers: 1, in_process: true, out: options.out.join("thread"), ..options.clone() };
    let options = Options { out: options.out.join("workers"), ..options };
    let thread = job::run(&alone).await?;
    print(format_args!("one thread of this process: {}", line(&thread)));
    if !is_as_expected(&thread, &alone) {
        return Ok(if thread.interrupted { INTERRUPTED } else { 1 });
    }

    let workers = job::run(&options).await?;
    let (count, faster) = (options.workers, workers.rate() / thread.rate());
    print(format_args!("{count} worker processes: {}, {faster:.1} times as fast", line(&workers)));
    let Report { images, killed, replaced, retried, .. } = &workers;
    print(format_args!("{killed} busy workers were killed on purpose, {replaced} were replaced"));
    print(format_args!("{retried} images were started again in another worker"));
    print(format_args!("{} files were refused, for three reasons:", workers.failures()));
    let mut failed = String::new();
    let _ = workers.list_failed(&mut failed);
    print(failed.trim_end());
    if !is_as_expected(&workers, &options) {
        return Ok(if workers.interrupted { INTERRUPTED } else { 1 });
    }
    print(format_args!(
        "none was lost: {} written + {} refused = {images}",
        workers.written,
        workers.failures()
    ));
    print(format_args!("the thumbnails are in {}", options.out.display()));
    Ok(0)
}

fn line(report: &Report) -> String {
    format!(
        "{} images in {:.2} s, {:.0} a second",
        report.written,
        report.elapsed.as_secs_f64(),
        report.rate()
    )
}

/// Returns `true` if each copy of the broken samples failed, and nothing else.
fn is_as_expected(report: &Report, options: &Options) -> bool {
    report.failed.keys().eq(BROKEN) && report.failures() == BROKEN.len() * options.copies
}
