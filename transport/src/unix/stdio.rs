use std::io;
use std::os::fd::OwnedFd;

use tokio::net::unix::pipe::Receiver;

use super::inherited::identity;
use super::pipe::{self, PipeChannel, PipeWriter};
use crate::error::because;
use crate::{Bound, Inheritance, Transport};

mod capture;

pub(super) use self::capture::capture;

/// A pair of pipes, which the worker inherits as its standard input and its standard output.
///
/// A worker may print all the same. Before any code of its own runs, both descriptors are moved to places that no child
/// inherits; its standard input is then empty, and what it prints on its standard output comes out on its standard
/// error. That holds for `println!`, for libraries in any language, for code that runs before `main`, and for the
/// processes that the worker starts.
///
/// Two things are too early to be caught: what a shared library prints that is initialised before the program is, and
/// what an interpreter or a wrapper around the program prints. Both break the handshake, not a call.
///
/// Each pipe buffers what the system gives it: 64 KiB on Linux.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stdio;

impl Transport for Stdio {
    const NAME: &'static str = "stdio";
    type Reader = Receiver;
    type Writer = PipeWriter;
    type Bound = StdioBound;

    fn bind(&self) -> io::Result<StdioBound> {
        let (workers_reader, writer) = io::pipe()?;
        let (reader, workers_writer) = io::pipe()?;
        let address = pair(&identity(&workers_reader)?, &identity(&workers_writer)?);
        let workers = (workers_reader.into(), workers_writer.into());
        Ok(StdioBound { reader: reader.into(), writer: writer.into(), workers: Some(workers), address })
    }

    fn is_inherited(&self, address: &str) -> bool {
        capture::CAPTURED.has(address)
    }

    async fn attach(&self, address: &str) -> io::Result<PipeChannel> {
        let (reader, writer) = capture::CAPTURED
            .take(address)
            .map_err(|error| because("could not take over standard input and output", error))?;
        pipe::watched(reader, writer)
    }
}

/// The address of two pipes, by what they are.
fn pair(stdin: &str, stdout: &str) -> String {
    format!("{stdin},{stdout}")
}

/// The host's end: connected from the start.
#[derive(Debug)]
pub struct StdioBound {
    reader: OwnedFd,
    writer: OwnedFd,
    /// Taken by the worker. When the worker is gone, the pipes end, because nobody else has them.
    workers: Option<(OwnedFd, OwnedFd)>,
    address: String,
}

impl Bound for StdioBound {
    type Reader = Receiver;
    type Writer = PipeWriter;

    fn inheritance(&mut self) -> Inheritance {
        let inheritance = Inheritance::new(self.address.clone());
        match self.workers.take() {
            Some((reader, writer)) => inheritance.stdin(reader).stdout(writer),
            None => inheritance,
        }
    }

    async fn establish(self) -> io::Result<PipeChannel> {
        pipe::channel(self.reader, self.writer)
    }
}
