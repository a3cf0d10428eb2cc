use std::fmt;
use std::io;
use std::os::windows::io::OwnedHandle;

use tokio::net::windows::named_pipe::NamedPipeServer;

use super::listener::{self, Listener};
use super::pipe::{self, Direction};
use super::stream::{End, NamedPipeReader, NamedPipeWriter, PipeChannel, watched};
use super::system;
use crate::error::not_inherited;
use crate::{Bound, Inheritance, Reconnect, Transport};

/// A named pipe of Windows; the worker inherits its end as standard input.
///
/// The host makes the pipe and opens the worker's end itself before the worker is started, so there is nothing to wait
/// for. The name is random, the host is the first to make it, and the pipe has one instance, which takes one client and
/// none from another machine: once the host has opened it, nobody else can. That it was the host is checked.
///
/// A worker that has attached listens on a pipe of its own ([`Channel::incoming`](crate::Channel::incoming)), so it can
/// be [reached again](Reconnect), by this host or another one. Its name is random, too, nobody but hosts are told it, the
/// worker must be the first to make it, and it takes none from another machine. Whoever dials checks that it was made by
/// a process of the same user.
///
/// The user alone can open either: no other one can, nor an administrator without taking ownership first.
///
/// A worker that is detached still has what the host was itself started with, as every child has on Windows: whoever
/// reads the host's standard output to its end waits for the worker, too.
///
/// A direction cannot be closed alone, and an end that is dropped is closed when its runtime runs next. Each direction
/// buffers 64 KiB.
#[derive(Clone, Copy, Debug, Default)]
pub struct NamedPipe;

impl Transport for NamedPipe {
    const NAME: &'static str = "named-pipe";
    const HALF_CLOSE: bool = false;
    type Reader = NamedPipeReader;
    type Writer = NamedPipeWriter;
    type Bound = NamedPipeBound;

    fn bind(&self) -> io::Result<NamedPipeBound> {
        let (server, workers) = pipe::pair(Direction::Both)?;
        let place = Place { host: std::process::id(), name: pipe::random_name() };
        Ok(NamedPipeBound { server, workers: Some(workers), place })
    }

    fn is_inherited(&self, address: &str) -> bool {
        Place::parse(address).is_ok_and(|place| place.is_inherited())
    }

    async fn attach(&self, address: &str) -> io::Result<PipeChannel> {
        let place = Place::parse(address)?;
        if !place.is_inherited() {
            return Err(not_inherited());
        }
        let listener = Listener::new(&place.name)?;
        let (reader, writer) = End::Client(system::take_stdin()?).split();
        Ok(watched(reader, writer, place.host).incoming(listener.incoming()))
    }
}

impl Reconnect for NamedPipe {
    /// A worker takes one connection after the other: this waits for as long as another one is ahead.
    async fn dial(&self, address: &str) -> io::Result<PipeChannel> {
        listener::dial(&Place::parse(address)?.name).await
    }
}

/// What a worker's address says.
#[derive(Debug)]
struct Place {
    /// The process that has made the pipe which the worker inherits.
    host: u32,
    /// That of the pipe on which the worker listens.
    name: String,
}

impl Place {
    fn parse(address: &str) -> io::Result<Self> {
        let parts = address.split_once(',').and_then(|(host, name)| Some((host.parse().ok()?, name)));
        let (host, name) = parts.ok_or_else(|| {
            let why = format!("`{address}` is no address of a named pipe: a process id, a comma, a name");
            io::Error::new(io::ErrorKind::InvalidInput, why)
        })?;
        Ok(Self { host, name: name.to_owned() })
    }

    fn is_inherited(&self) -> bool {
        system::standard_input().and_then(system::server).is_ok_and(|host| host == self.host)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{},{}", self.host, self.name)
    }
}

/// The host's end: connected from the start.
#[derive(Debug)]
pub struct NamedPipeBound {
    server: NamedPipeServer,
    /// Taken by the worker. When the worker is gone, the stream ends, because nobody else has it.
    workers: Option<OwnedHandle>,
    place: Place,
}

impl Bound for NamedPipeBound {
    type Reader = NamedPipeReader;
    type Writer = NamedPipeWriter;

    fn inheritance(&mut self) -> Inheritance {
        let inheritance = Inheritance::new(self.place.to_string());
        match self.workers.take() {
            Some(workers) => inheritance.stdin(workers),
            None => inheritance,
        }
    }

    async fn establish(self) -> io::Result<PipeChannel> {
        // The client is there already; this tells tokio.
        self.server.connect().await?;
        let (reader, writer) = End::Server(self.server).split();
        Ok(PipeChannel::new(reader, writer))
    }
}
