//! Result of a run: counts of images, and the files that failed.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::time::Duration;

use isolated_workers::{CallError, Error};

use crate::folder::Image;
use crate::scale_error::ScaleError;
use crate::service::{Thumbnail, partial};

#[derive(Default)]
pub(crate) struct Report {
    /// Files that could not be scaled, with their number and the error of the first one.
    pub(crate) failed: BTreeMap<String, (usize, String)>,
    /// `true` if Ctrl-C ended the run.
    pub(crate) interrupted: bool,
    pub(crate) images: usize,
    pub(crate) written: usize,
    /// Number of attempts beyond the first of each image.
    pub(crate) retried: usize,
    /// Number of workers that were killed on purpose.
    pub(crate) killed: usize,
    /// Number of workers that were restarted.
    pub(crate) replaced: u64,
    pub(crate) elapsed: Duration,
}

impl Report {
    /// Adds the result of an image.
    pub(crate) fn record(&mut self, image: &Image, result: Result<Thumbnail, CallError<ScaleError>>) {
        self.images += 1;
        let error = match result {
            Ok(_) => {
                self.written += 1;
                return;
            }
            Err(error) => error,
        };
        // The failed call no longer writes to the partial file.
        let _ = fs::remove_file(partial(&image.target));
        if !self.interrupted {
            let crash = error.call().and_then(Error::crash);
            let kills = crash.map_or(String::new(), |crash| format!("it killed {} workers; ", crash.attempt));
            let first = || (0, format!("{kills}{error}"));
            self.failed.entry(image.name.clone()).or_insert_with(first).0 += 1;
        }
    }

    pub(crate) fn failures(&self) -> usize {
        self.failed.values().map(|(count, _)| count).sum()
    }

    /// Number of images that were scaled in each second.
    pub(crate) fn rate(&self) -> f64 {
        self.written as f64 / self.elapsed.as_secs_f64()
    }

    /// Lists the files that failed, one on each line.
    pub(crate) fn list_failed(&self, out: &mut impl fmt::Write) -> fmt::Result {
        self.failed.iter().try_for_each(|(name, (count, error))| match count {
            1 => writeln!(out, "{name}: {error}"),
            count => writeln!(out, "  {count} x {name}: {error}"),
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { written, retried, replaced, elapsed, .. } = self;
        let (failed, seconds) = (self.failures(), elapsed.as_secs_f64());
        write!(f, "{written} written, {failed} failed, {retried} retried, {replaced} workers replaced ")?;
        write!(f, "in {seconds:.2} s, {:.0} images/s", self.rate())
    }
}
