use std::io;
use std::os::windows::io::OwnedHandle;

use tokio::net::windows::named_pipe::NamedPipeServer;

use super::stream::{NamedPipeReader, NamedPipeWriter, PipeChannel, PipeEnd, worker_channel};
use super::sys::pipe_pair::{self, Direction};
use super::sys::win32;
use crate::error::with_context;
use crate::saved_stdio::SavedStdio;
use crate::{Bound, Inheritance, Transport};

/// Reader, writer, and the process id of the host. The pre-main code saves them.
pub(super) static SAVED: SavedStdio<(OwnedHandle, OwnedHandle, u32)> = SavedStdio::empty();

/// A pair of pipes, one for each direction, that the worker inherits as its standard input and its
/// standard output.
///
/// A worker may still print. Before any of its code runs, both ends are moved to handles that no
/// child inherits. Its standard input is empty from then on, and text that it prints to its
/// standard output appears on its standard error. This covers `println!`, libraries in any language
/// and with any C runtime, code that runs before `main`, and processes that the worker starts.
///
/// Text of two kinds of writers is not redirected, because they run too early: a library (a DLL)
/// while it is loaded with the program, and an interpreter or wrapper around the program. Such text
/// breaks the handshake, not a call.
///
/// The pipes are named pipes that only the user can open, like those of
/// [`NamedPipe`](crate::NamedPipe). Each buffers 64 KiB. A dropped end is closed the next time its
/// runtime runs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stdio;

impl Transport for Stdio {
    const NAME: &'static str = "stdio";
    type Reader = NamedPipeReader;
    type Writer = NamedPipeWriter;
    type Bound = StdioBound;

    fn bind(&self) -> io::Result<StdioBound> {
        let (writer, worker_reader) = pipe_pair::pair(Direction::ToWorker)?;
        let (reader, worker_writer) = pipe_pair::pair(Direction::FromWorker)?;
        Ok(StdioBound { reader, writer, worker_ends: Some((worker_reader, worker_writer)) })
    }

    fn is_inherited(&self, address: &str) -> bool {
        SAVED.contains(address)
    }

    async fn attach(&self, address: &str) -> io::Result<PipeChannel> {
        let ends = SAVED.take(address).and_then(|(reader, writer, host)| {
            let client = |handle| Ok::<_, io::Error>(PipeEnd::Client(win32::into_client(handle)?));
            Ok((client(reader)?, client(writer)?, host))
        });
        let (reader, writer, host) =
            ends.map_err(|error| with_context("could not take over standard input and output", error))?;
        Ok(worker_channel(reader.reader(), writer.writer(), host))
    }
}

/// The host's end. Connected from the start. The address is the host's process id.
#[derive(Debug)]
pub struct StdioBound {
    reader: NamedPipeServer,
    writer: NamedPipeServer,
    /// The worker takes them. No other process has them, so the pipes end when the worker is gone.
    worker_ends: Option<(OwnedHandle, OwnedHandle)>,
}

impl Bound for StdioBound {
    type Reader = NamedPipeReader;
    type Writer = NamedPipeWriter;

    fn inheritance(&mut self) -> Inheritance {
        let inheritance = Inheritance::new(std::process::id().to_string());
        match self.worker_ends.take() {
            Some((reader, writer)) => inheritance.stdin(reader).stdout(writer),
            None => inheritance,
        }
    }

    async fn establish(self) -> io::Result<PipeChannel> {
        // The clients are already connected; this call updates the state in tokio.
        self.reader.connect().await?;
        self.writer.connect().await?;
        Ok(PipeChannel::new(PipeEnd::Server(self.reader).reader(), PipeEnd::Server(self.writer).writer()))
    }
}
