use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdStream;

use super::inherited::{identity, is_stdin, take_stdin};
use super::socket::{SocketReader, SocketWriter};
use super::stream::{self, SocketChannel};
use crate::{Bound, Inheritance, Transport};

/// A pair of sockets that nobody else can reach; the worker inherits one of them as its standard input.
///
/// One system call makes it, and it has no name and no file: there is nothing to find, to guess or to leave behind. For
/// the same reason a worker on it cannot be reached again.
#[derive(Clone, Copy, Debug, Default)]
pub struct SocketPair;

impl Transport for SocketPair {
    const NAME: &'static str = "socket-pair";
    type Reader = SocketReader;
    type Writer = SocketWriter;
    type Bound = SocketPairBound;

    fn bind(&self) -> io::Result<SocketPairBound> {
        let (own, workers) = StdStream::pair()?;
        own.set_nonblocking(true)?;
        Ok(SocketPairBound { own, address: identity(&workers)?, workers: Some(workers.into()) })
    }

    fn is_inherited(&self, address: &str) -> bool {
        is_stdin(address)
    }

    async fn attach(&self, address: &str) -> io::Result<SocketChannel> {
        let stream = StdStream::from(take_stdin(address)?);
        stream.set_nonblocking(true)?;
        stream::watched(stream)
    }
}

/// The host's end: connected from the start.
#[derive(Debug)]
pub struct SocketPairBound {
    own: StdStream,
    /// Taken by the worker. When the worker is gone, the stream ends, because nobody else has it.
    workers: Option<OwnedFd>,
    address: String,
}

impl Bound for SocketPairBound {
    type Reader = SocketReader;
    type Writer = SocketWriter;

    fn inheritance(&mut self) -> Inheritance {
        let inheritance = Inheritance::new(self.address.clone());
        match self.workers.take() {
            Some(workers) => inheritance.stdin(workers),
            None => inheritance,
        }
    }

    async fn establish(self) -> io::Result<SocketChannel> {
        stream::channel(self.own)
    }
}
