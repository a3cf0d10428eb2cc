use std::io;
use std::os::windows::io::OwnedHandle;

use tokio::net::windows::named_pipe::NamedPipeServer;

use super::pipe::{self, Direction};
use super::stream::{End, NamedPipeReader, NamedPipeWriter, PipeChannel, watched};
use super::system;
use crate::error::because;
use crate::{Bound, Inheritance, Transport};

mod capture;

/// A pair of pipes, one a direction, which the worker inherits as its standard input and its standard output.
///
/// A worker may print all the same. Before any code of its own runs, both are moved to handles that no child inherits;
/// its standard input is then empty, and what it prints on its standard output comes out on its standard error. That
/// holds for `println!`, for libraries in any language and with any C runtime, for code that runs before `main`, and for
/// the processes that the worker starts.
///
/// Two things are too early to be caught: what a library (a DLL) prints while it is loaded with the program, and what an
/// interpreter or a wrapper around the program prints. Both break the handshake, not a call.
///
/// The pipes are named pipes that nobody else can open, as those of [`NamedPipe`](crate::NamedPipe). Each buffers
/// 64 KiB. An end that is dropped is closed when its runtime runs next.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stdio;

impl Transport for Stdio {
    const NAME: &'static str = "stdio";
    type Reader = NamedPipeReader;
    type Writer = NamedPipeWriter;
    type Bound = StdioBound;

    fn bind(&self) -> io::Result<StdioBound> {
        let (writer, workers_reader) = pipe::pair(Direction::ToWorker)?;
        let (reader, workers_writer) = pipe::pair(Direction::FromWorker)?;
        Ok(StdioBound { reader, writer, workers: Some((workers_reader, workers_writer)) })
    }

    fn is_inherited(&self, address: &str) -> bool {
        capture::CAPTURED.has(address)
    }

    async fn attach(&self, address: &str) -> io::Result<PipeChannel> {
        let captured = capture::CAPTURED.take(address).and_then(|(reader, writer, host)| {
            Ok((End::Client(system::into_client(reader)?), End::Client(system::into_client(writer)?), host))
        });
        let (reader, writer, host) =
            captured.map_err(|error| because("could not take over standard input and output", error))?;
        Ok(watched(reader.reader(), writer.writer(), host))
    }
}

/// The host's end: connected from the start. The address is the host's process id.
#[derive(Debug)]
pub struct StdioBound {
    reader: NamedPipeServer,
    writer: NamedPipeServer,
    /// Taken by the worker. When the worker is gone, the pipes end, because nobody else has them.
    workers: Option<(OwnedHandle, OwnedHandle)>,
}

impl Bound for StdioBound {
    type Reader = NamedPipeReader;
    type Writer = NamedPipeWriter;

    fn inheritance(&mut self) -> Inheritance {
        let inheritance = Inheritance::new(std::process::id().to_string());
        match self.workers.take() {
            Some((reader, writer)) => inheritance.stdin(reader).stdout(writer),
            None => inheritance,
        }
    }

    async fn establish(self) -> io::Result<PipeChannel> {
        // The clients are there already; this tells tokio.
        self.reader.connect().await?;
        self.writer.connect().await?;
        Ok(PipeChannel::new(End::Server(self.reader).reader(), End::Server(self.writer).writer()))
    }
}
