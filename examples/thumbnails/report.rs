//! What has become of the images.

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
    pub(crate) failed: Vec<String>,
    pub(crate) interrupted: bool,
    pub(crate) written: u64,
    pub(crate) retried: u64,
    pub(crate) replaced: u64,
    pub(crate) took: Duration,
}

impl Report {
    pub(crate) fn take(
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
        // Nobody writes to it any more.
        let _ = fs::remove_file(partial(&image.target));
        if self.interrupted {
            return;
        }
        let crash = error.call().and_then(Error::crash);
        let runs = crash.map_or(String::new(), |crash| format!("it has killed {} workers; ", crash.attempt));
        bar.suspend(|| eprintln!("{}: {runs}{error}", image.name));
        bar.inc(1);
        self.failed.push(image.name.clone());
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { written, failed, retried, replaced, took, .. } = self;
        let (failed, seconds) = (failed.len(), took.as_secs_f64());
        write!(f, "{written} written, {failed} failed, {retried} retried, {replaced} workers replaced ")?;
        write!(f, "in {seconds:.2} s, {:.0} images/s", *written as f64 / seconds)
    }
}
