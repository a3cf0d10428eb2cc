use std::fmt;
use std::io;
use std::os::windows::io::{OwnedHandle, RawHandle};

use tokio::net::windows::named_pipe::NamedPipeServer;

use super::stream::{NamedPipeReader, NamedPipeWriter, PipeChannel, PipeEnd, worker_channel};
use super::sys::listener::{self, Listener};
use super::sys::pipe_pair::{self, Direction};
use super::sys::win32;
use crate::saved_stdio::SavedStdio;
use crate::{Bound, Inheritance, Reconnect, Transport};

/// The worker's end, which the pre-main code saves.
pub(super) static SAVED: SavedStdio<OwnedHandle> = SavedStdio::empty();

/// A named pipe of Windows. The worker inherits its end as standard input.
///
/// Before any code of the worker runs, the end is moved to a handle that no child inherits. The
/// standard input is empty from then on.
///
/// The host makes the pipe and opens the worker's end itself before the worker is started, so there
/// is nothing to wait for. The name is random, the host must be the first to use it, and the pipe
/// accepts one client, from this machine only. Once the host has opened it, no other process can.
/// The host checks that it was itself the client.
///
/// A worker that has attached listens on a second pipe
/// ([`Channel::incoming`](crate::Channel::incoming)), so this host or another one can [reach it
/// again](Reconnect). The name of that pipe is random too, only hosts learn it, the worker must be
/// the first to use it, and it accepts no client from another machine. A host that dials checks
/// that a process of the same user made the pipe.
///
/// Only the user can open either pipe. An administrator has to take ownership first.
///
/// A detached worker keeps the handles that its host was itself started with, as every child does
/// on Windows. A process that reads the host's standard output to its end therefore also waits for
/// the worker.
///
/// One direction cannot be closed alone. A dropped end is closed the next time its runtime runs.
/// Each direction buffers 64 KiB.
#[derive(Clone, Copy, Debug, Default)]
pub struct NamedPipe;

impl Transport for NamedPipe {
    const NAME: &'static str = "named-pipe";
    const HALF_CLOSE: bool = false;
    type Reader = NamedPipeReader;
    type Writer = NamedPipeWriter;
    type Bound = NamedPipeBound;

    fn bind(&self) -> io::Result<NamedPipeBound> {
        let (server, worker_end) = pipe_pair::pair(Direction::Both)?;
        let address = PipeAddress { host: std::process::id(), name: pipe_pair::random_name() };
        Ok(NamedPipeBound { server, worker_end: Some(worker_end), address })
    }

    fn is_inherited(&self, address: &str) -> bool {
        SAVED.contains(address)
    }

    async fn attach(&self, address: &str) -> io::Result<PipeChannel> {
        let parsed = PipeAddress::parse(address)?;
        let end = SAVED.take(address)?;
        let listener = Listener::new(&parsed.name)?;
        let (reader, writer) = PipeEnd::Client(win32::into_client(end)?).split();
        Ok(worker_channel(reader, writer, parsed.host).incoming(listener.incoming()))
    }
}

impl Reconnect for NamedPipe {
    /// Waits while an earlier connection is pending: a worker accepts one at a time.
    async fn dial(&self, address: &str) -> io::Result<PipeChannel> {
        listener::dial(&PipeAddress::parse(address)?.name).await
    }
}

/// A worker's address.
#[derive(Debug)]
struct PipeAddress {
    /// Id of the process that has made the pipe that the worker inherits.
    host: u32,
    /// Name of the pipe that the worker listens on.
    name: String,
}

impl PipeAddress {
    fn parse(address: &str) -> io::Result<Self> {
        let parts = address.split_once(',').and_then(|(host, name)| Some((host.parse().ok()?, name)));
        let (host, name) = parts.ok_or_else(|| {
            let text = format!(
                "could not parse the address `{address}`: it is not that of a named pipe; pass a process id, a comma, \
                 a name"
            );
            io::Error::new(io::ErrorKind::InvalidInput, text)
        })?;
        Ok(Self { host, name: name.to_owned() })
    }
}

/// Returns `true` if `pipe` is the worker's end of the channel at `address`.
pub(super) fn is_end_of(pipe: RawHandle, address: &str) -> bool {
    let host = PipeAddress::parse(address).map(|address| address.host);
    host.is_ok_and(|host| win32::server(pipe).is_ok_and(|server| server == host))
}

impl fmt::Display for PipeAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{},{}", self.host, self.name)
    }
}

/// The host's end. Connected from the start.
#[derive(Debug)]
pub struct NamedPipeBound {
    server: NamedPipeServer,
    /// The worker takes it. No other process has it, so the stream ends when the worker is gone.
    worker_end: Option<OwnedHandle>,
    address: PipeAddress,
}

impl Bound for NamedPipeBound {
    type Reader = NamedPipeReader;
    type Writer = NamedPipeWriter;

    fn inheritance(&mut self) -> Inheritance {
        let inheritance = Inheritance::new(self.address.to_string());
        match self.worker_end.take() {
            Some(end) => inheritance.stdin(end),
            None => inheritance,
        }
    }

    async fn establish(self) -> io::Result<PipeChannel> {
        // The client is already connected; this call updates the state in tokio.
        self.server.connect().await?;
        let (reader, writer) = PipeEnd::Server(self.server).split();
        Ok(PipeChannel::new(reader, writer))
    }
}
