//! The command line.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::{env, thread};

use crate::service::EDGE;

pub(crate) const USAGE: &str = "\
usage: thumbnails [<folder> <out>] [--size 256] [--workers N] [--in-process]

Scales the images of a folder (png, jpg, jpeg, gif, webp) into another folder; without folders, those of examples/images.
  --size        the longest edge of a thumbnail in pixels: 256
  --workers     how many images are done at once: as many as there are processors
  --in-process  do them in threads, not in workers: one crash is the end of all";

#[derive(Clone)]
pub(crate) struct Options {
    pub(crate) folder: PathBuf,
    pub(crate) out: PathBuf,
    pub(crate) size: u32,
    pub(crate) workers: usize,
    pub(crate) in_process: bool,
    /// No folders were named.
    pub(crate) is_demo: bool,
}

impl Options {
    pub(crate) fn parse(mut args: impl Iterator<Item = OsString>) -> Result<Self, String> {
        let (mut folders, mut size, mut in_process) = (Vec::new(), 256, false);
        let mut workers = thread::available_parallelism().map_or(1, usize::from);
        while let Some(arg) = args.next() {
            match arg.to_str() {
                Some("--size") => size = number("--size", args.next(), EDGE)?,
                Some("--workers") => workers = number("--workers", args.next(), 1024)? as usize,
                Some("--in-process") => in_process = true,
                Some(option) if option.starts_with('-') => return Err(format!("unknown option {option}")),
                _ => folders.push(PathBuf::from(arg)),
            }
        }
        let is_demo = folders.is_empty();
        if is_demo {
            // The thumbnails go beside this program, so that they are in cargo's target folder.
            let out = env::current_exe().map_err(|error| error.to_string())?.with_file_name("thumbnails-out");
            folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/images"), out];
        }
        let [folder, out] = folders.try_into().map_err(|_| "two folders are needed, or none")?;
        Ok(Self { folder, out, size, workers, in_process, is_demo })
    }
}

fn number(option: &str, value: Option<OsString>, most: u32) -> Result<u32, String> {
    let number = value.and_then(|value| value.to_str()?.parse().ok());
    number
        .filter(|number| (1..=most).contains(number))
        .ok_or_else(|| format!("{option} takes a number from 1 to {most}"))
}
