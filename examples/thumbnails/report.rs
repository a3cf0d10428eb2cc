//! Result of a run: counts of images, and the names of those that failed.

use std::fmt;
use std::fs;
use std::time::Duration;

use indicatif::ProgressBar;
use isolated_workers::{CallError, Error};

use crate::folder::Image;
use crate::scale_error::ScaleError;
use crate::service::{Thumbnail, partial};

#[derive(Default)]
pub(crate) struct Report {
    /// Names of the files that could not be scaled.
    pub(crate) failed: Vec<String>,
    /// `true` if Ctrl-C ended the run.
    pub(crate) interrupted: bool,
    pub(crate) written: u64,
    /// Number of attempts beyond the first of each image.
    pub(crate) retried: u64,
    /// Number of workers that were restarted.
    pub(crate) replaced: u64,
    pub(crate) elapsed: Duration,
}

impl Report {
    /// Adds the result of an image. Prints the error, if any.
    pub(crate) fn record(
        &mut self,
        bar: &ProgressBar,
        image: &Image,
        result: Result<Thumbnail, CallError<ScaleError>>,
    ) {
        let error = match result {
            Ok(Thumbnail { width, height }) => {
                bar.set_message(format!("{} {width}x{height}", image.name));
                bar.inc(1);
                self.written += 1;
                return;
            }
            Err(error) => error,
        };
        // The failed call no longer writes to the partial file.
        let _ = fs::remove_file(partial(&image.target));
        if self.interrupted {
            return;
        }
        let crash = error.call().and_then(Error::crash);
        let kills = crash.map_or(String::new(), |crash| format!("it killed {} workers; ", crash.attempt));
        bar.suspend(|| eprintln!("{}: {kills}{error}", image.name));
        bar.inc(1);
        self.failed.push(image.name.clone());
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { written, failed, retried, replaced, elapsed, .. } = self;
        let (failed, seconds) = (failed.len(), elapsed.as_secs_f64());
        write!(f, "{written} written, {failed} failed, {retried} retried, {replaced} workers replaced ")?;
        write!(f, "in {seconds:.2} s, {:.0} images/s", *written as f64 / seconds)
    }
}
