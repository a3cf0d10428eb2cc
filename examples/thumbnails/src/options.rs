//! The command line.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::{env, thread};

use crate::service::MAX_EDGE_PX;

pub(crate) const USAGE: &str = "\
usage: thumbnails [<folder> <out>] [--size 256] [--workers N] [--in-process]

Scales the images of a folder (png, jpg, jpeg, gif, webp) into another folder.
Without folders, scales many copies of the sample images, first in one thread
of this process and then in workers, of which one after the other is killed.
  --size        longest edge of a thumbnail in pixels (default: 256)
  --workers     number of workers (default: number of processors)
  --in-process  use threads instead of worker processes: one crash ends everything
  --help        print this text";

/// Number of thumbnails of each sample, enough for some seconds.
const SAMPLE_COPIES: usize = 200;

pub(crate) enum Command {
    /// Scales a folder.
    Scale(Options),
    /// Scales the samples.
    Demo(Options),
    Help,
}

#[derive(Clone)]
pub(crate) struct Options {
    pub(crate) folder: PathBuf,
    pub(crate) out: PathBuf,
    pub(crate) size: u32,
    pub(crate) workers: usize,
    pub(crate) in_process: bool,
    /// Number of thumbnails of each image.
    pub(crate) copies: usize,
    /// `true` if workers are killed on purpose.
    pub(crate) kills: bool,
}

impl Command {
    pub(crate) fn parse(mut args: impl Iterator<Item = OsString>) -> Result<Self, String> {
        let (mut folders, mut size, mut in_process) = (Vec::new(), 256, false);
        let mut workers = thread::available_parallelism().map_or(1, usize::from);
        while let Some(arg) = args.next() {
            match arg.to_str() {
                Some("--help" | "-h") => return Ok(Self::Help),
                Some("--size") => size = number("--size", args.next(), MAX_EDGE_PX)?,
                Some("--workers") => workers = number("--workers", args.next(), 1024)? as usize,
                Some("--in-process") => in_process = true,
                Some(option) if option.starts_with('-') => return Err(format!("unknown option {option}")),
                _ => folders.push(PathBuf::from(arg)),
            }
        }
        let options =
            |folder, out, copies, kills| Options { folder, out, size, workers, in_process, copies, kills };
        if folders.is_empty() {
            let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("images");
            // Beside this program, which is in cargo's target folder.
            let out = env::current_exe().map_err(|error| error.to_string())?.with_file_name("thumbnails-out");
            return Ok(Self::Demo(options(samples, out, SAMPLE_COPIES, true)));
        }
        let [folder, out] = folders.try_into().map_err(|_| "pass two folders, or none")?;
        Ok(Self::Scale(options(folder, out, 1, false)))
    }
}

fn number(option: &str, value: Option<OsString>, max: u32) -> Result<u32, String> {
    let number = value.and_then(|value| value.to_str()?.parse().ok());
    number
        .filter(|number| (1..=max).contains(number))
        .ok_or_else(|| format!("{option} takes a number from 1 to {max}"))
}
