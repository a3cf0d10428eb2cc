use std::io;
use std::os::fd::{AsFd, OwnedFd};

use super::stream::pipe::{PipeReader, PipeWriter};
use super::stream::pipe_channel::{PipeChannel, host_channel, worker_channel};
use super::sys::channel_ends::{self, ChannelEnds, descriptor_id};
use crate::error::not_inherited;
use crate::{Bound, Inheritance, Transport};

/// A pair of pipes that the worker inherits as its standard input and its standard output.
///
/// A worker may still print. Before any of its code runs, both descriptors are moved to numbers
/// that no child inherits. Its standard input is empty from then on, and text that it prints to its
/// standard output appears on its standard error. This covers `println!`, libraries in any
/// language, code that runs before `main`, and processes that the worker starts.
///
/// Text of two kinds of writers is not redirected, because they run too early: a shared library
/// that is initialized before the program, and an interpreter or wrapper around the program. Such
/// text breaks the handshake, not a call.
///
/// Each pipe has the system's default buffer: 64 KiB on Linux.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stdio;

impl Transport for Stdio {
    const NAME: &'static str = "stdio";
    type Reader = PipeReader;
    type Writer = PipeWriter;
    type Bound = StdioBound;

    fn bind(&self) -> io::Result<StdioBound> {
        let (worker_reader, writer) = io::pipe()?;
        let (reader, worker_writer) = io::pipe()?;
        let address = address(&worker_reader, &worker_writer)?;
        let worker_ends = Some((worker_reader.into(), worker_writer.into()));
        Ok(StdioBound { reader: reader.into(), writer: writer.into(), worker_ends, address })
    }

    fn is_inherited(&self, address: &str) -> bool {
        channel_ends::are_captured(address)
    }

    async fn attach(&self, address: &str) -> io::Result<PipeChannel> {
        let ChannelEnds { stdin, stdout } = channel_ends::take(address)?;
        worker_channel(stdin, stdout.ok_or_else(not_inherited)?)
    }
}

/// Returns the address of the standard streams of this process, which a program such as `ssh` has
/// connected with those of the host.
pub(super) fn own_address() -> io::Result<String> {
    address(rustix::stdio::stdin(), rustix::stdio::stdout())
}

/// Returns `true` if the standard streams are the pipes at `expected`.
pub(super) fn are_standard_streams(expected: &str) -> bool {
    own_address().is_ok_and(|found| found == expected)
}

fn address(reader: impl AsFd, writer: impl AsFd) -> io::Result<String> {
    Ok(format!("{},{}", descriptor_id(reader)?, descriptor_id(writer)?))
}

/// The host's end. Connected from the start.
#[derive(Debug)]
pub struct StdioBound {
    reader: OwnedFd,
    writer: OwnedFd,
    /// The worker takes them. No other process has them, so the pipes end when the worker is gone.
    worker_ends: Option<(OwnedFd, OwnedFd)>,
    address: String,
}

impl Bound for StdioBound {
    type Reader = PipeReader;
    type Writer = PipeWriter;

    fn inheritance(&mut self) -> Inheritance {
        let inheritance = Inheritance::new(self.address.clone());
        match self.worker_ends.take() {
            Some((reader, writer)) => inheritance.stdin(reader).stdout(writer),
            None => inheritance,
        }
    }

    async fn establish(self) -> io::Result<PipeChannel> {
        host_channel(self.reader, self.writer)
    }
}
