use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdStream;

use super::stream::socket::{SocketReader, SocketWriter};
use super::stream::socket_channel::{SocketChannel, host_channel, worker_channel};
use super::sys::channel_ends::{self, descriptor_id};
use crate::{Bound, Inheritance, Transport};

/// A pair of connected sockets that no other process can reach. The worker inherits one of them as
/// its standard input.
///
/// One system call creates the pair. The sockets have no name and no file, so nothing can be found
/// or guessed, and nothing is left behind. For the same reason the worker cannot be reached again.
#[derive(Clone, Copy, Debug, Default)]
pub struct SocketPair;

impl Transport for SocketPair {
    const NAME: &'static str = "socket-pair";
    type Reader = SocketReader;
    type Writer = SocketWriter;
    type Bound = SocketPairBound;

    fn bind(&self) -> io::Result<SocketPairBound> {
        let (stream, worker_end) = StdStream::pair()?;
        stream.set_nonblocking(true)?;
        let address = descriptor_id(&worker_end)?;
        Ok(SocketPairBound { stream, address, worker_end: Some(worker_end.into()) })
    }

    fn is_inherited(&self, address: &str) -> bool {
        channel_ends::are_captured(address)
    }

    async fn attach(&self, address: &str) -> io::Result<SocketChannel> {
        let stream = StdStream::from(channel_ends::take(address)?.stdin);
        stream.set_nonblocking(true)?;
        worker_channel(stream)
    }
}

/// The host's end. Connected from the start.
#[derive(Debug)]
pub struct SocketPairBound {
    stream: StdStream,
    /// The worker takes it. No other process has it, so the stream ends when the worker is gone.
    worker_end: Option<OwnedFd>,
    address: String,
}

impl Bound for SocketPairBound {
    type Reader = SocketReader;
    type Writer = SocketWriter;

    fn inheritance(&mut self) -> Inheritance {
        let inheritance = Inheritance::new(self.address.clone());
        match self.worker_end.take() {
            Some(end) => inheritance.stdin(end),
            None => inheritance,
        }
    }

    async fn establish(self) -> io::Result<SocketChannel> {
        host_channel(self.stream)
    }
}
