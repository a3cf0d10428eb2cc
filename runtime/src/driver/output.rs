mod captured;
mod event;
mod event_callsite;
mod host_stream;
mod line_logger;
mod reader;
mod tail;

use std::io;
use std::path::Path;
use std::process::Stdio;

pub use self::captured::Captured;
use self::host_stream::HostStream;
use self::line_logger::LineLogger;
pub(super) use self::reader::{OutputReader, Sink};

/// Destination of a worker's standard output or error.
///
/// With [`Keep`](Self::Keep), [`Capture`](Self::Capture) and [`Trace`](Self::Trace), the host reads
/// the stream until the process has exited, even if the connection ends earlier. It keeps at most
/// 64 KiB. A worker that prints without end therefore does not harm its host, and blocks only while
/// the host's runtime or the destination blocks.
///
/// ```
/// use isolated_workers_runtime::{Output, Program};
///
/// let program = Program::new("./thumbnailer").stdout(Output::Capture).stderr(Output::Trace);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Output {
    /// Shares the host's stream. If nobody reads that stream any more, printing fails in the
    /// worker, and `println!` panics.
    Inherit,
    /// Discards the output.
    Discard,
    /// Copies the output to the host's stream and keeps the tail, which is included in the error of
    /// a crash. The default.
    ///
    /// If nobody reads the host's stream any more, the output is dropped. If the stream blocks, the
    /// worker blocks as soon as its pipe is full. When the worker has ended, up to 512 KiB of the
    /// output of all workers wait for the stream, and the rest is dropped.
    #[default]
    Keep,
    /// Keeps the last 64 KiB and copies nothing. [`Worker::stdout`](crate::Worker::stdout) and
    /// [`Worker::stderr`](crate::Worker::stderr) return it, while the worker runs and afterwards.
    Capture,
    /// Emits each line as a `tracing` event, and keeps the tail as [`Keep`](Self::Keep) does.
    ///
    /// The level is `INFO` for the standard output and `WARN` for the standard error. The target is
    /// `isolated_workers::worker`. The fields are `pid`, `name` (the program's file name) and
    /// `stream` (`stdout` or `stderr`). A line longer than 8 KiB is cut, and its event says so.
    /// Bytes that are not UTF-8 become `\u{fffd}`.
    ///
    /// A worker that logs with `tracing` can send its events instead, with their levels, targets
    /// and fields: see `worker::init_tracing`, with the feature `events`. They are emitted here with
    /// the additional fields `pid`, `name` and, if the worker was in spans of its own, `spans`. With
    /// the layer [`Trace`](isolated_workers_middleware::Trace) on both sides, they belong to the
    /// span of the call.
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

    /// Sink for the output that the host reads from the stream `from`.
    ///
    /// # Errors
    /// Returns the system's error if it refuses the thread that writes to the host's stream.
    pub(super) fn sink(self, from: StandardStream, pid: u32, program: &Path) -> io::Result<Sink> {
        Ok(match self {
            Self::Keep => Sink::Through(HostStream::open(from)?),
            Self::Trace => Sink::Lines(LineLogger::new(from, pid, program)),
            Self::Inherit | Self::Discard | Self::Capture => Sink::Nowhere,
        })
    }
}

/// Standard stream that a process writes to.
#[derive(Clone, Copy, Debug)]
pub(in crate::driver) enum StandardStream {
    Output,
    Error,
}
