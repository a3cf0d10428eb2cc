mod captured;
mod kept;
mod lines;
mod stream;

use std::path::Path;
use std::process::Stdio;

pub use self::captured::Captured;
use self::lines::Lines;
pub(super) use self::stream::{Sink, Stream};

/// What becomes of what a worker writes to its standard output or error.
///
/// What comes to the host ([`Keep`](Self::Keep), [`Capture`](Self::Capture), [`Trace`](Self::Trace)) is read until the
/// worker's process has ended, whatever its connection does, and takes 64 KiB of memory at most: a worker that prints
/// for ever does no harm to its host, and does not wait for anybody but the one that its output is passed on to.
///
/// ```
/// use isolated_workers_runtime::{Output, Program};
///
/// let program = Program::new("./thumbnailer").stdout(Output::Capture).stderr(Output::Trace);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Output {
    /// It goes where the host's goes.
    Inherit,
    /// It goes nowhere.
    Discard,
    /// It goes where the host's goes, by way of the host, which keeps the end of it for the error that tells of the
    /// worker's end. The default for the standard error.
    #[default]
    Keep,
    /// It is kept by the host and not passed on: the last 64 KiB, which [`Worker::stdout`](crate::Worker::stdout) and
    /// [`Worker::stderr`](crate::Worker::stderr) return, while the worker runs and after its end.
    Capture,
    /// Each line becomes an event of `tracing`: at the level `INFO` for the standard output and `WARN` for the standard
    /// error, with the target `isolated_workers::worker` and the fields `pid`, `name` (the program's file name) and
    /// `stream` (`stdout` or `stderr`). What is beyond the first 8 KiB of a line is left out, which the event says; bytes
    /// that are no UTF-8 become `\u{fffd}`. The end of it is kept as with [`Keep`](Self::Keep).
    Trace,
}

impl Output {
    pub(super) fn stdio(self) -> Stdio {
        match self {
            Self::Inherit => Stdio::inherit(),
            Self::Discard => Stdio::null(),
            Self::Keep | Self::Capture | Self::Trace => Stdio::piped(),
        }
    }

    /// Where the host brings what it reads from this stream of a process.
    pub(super) fn sink(self, from: Standard, pid: u32, program: &Path) -> Sink {
        match (self, from) {
            (Self::Keep, Standard::Output) => Sink::Through(Box::new(tokio::io::stdout())),
            (Self::Keep, Standard::Error) => Sink::Through(Box::new(tokio::io::stderr())),
            (Self::Trace, _) => Sink::Lines(Lines::new(from, pid, program)),
            (Self::Inherit | Self::Discard | Self::Capture, _) => Sink::Nowhere,
        }
    }
}

/// A standard stream that a process writes to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Standard {
    Output,
    Error,
}
