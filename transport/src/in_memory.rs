use std::any::Any;
use std::io;

use tokio::io::{DuplexStream, duplex};

use crate::{Bound, Channel, Inheritance, Transport};

/// Memory, for a worker on a thread of this process.
///
/// Each direction is a buffer of 64 KiB; whoever writes more waits until the other side has read. Either end can close
/// one direction or both, by shutting its writer down or by dropping: the other side's reader then ends, and its writer
/// breaks. A worker whose thread panics is noticed like that, too.
///
/// It cannot tell by itself that the other side is gone ([`Channel::hangup`]): a thread that never yields cannot be
/// ended from outside anyway.
#[derive(Clone, Copy, Debug, Default)]
pub struct InMemory;

/// In bytes, each direction: that of a pipe on Linux.
const BUFFER: usize = 64 << 10;

type MemoryChannel = Channel<DuplexStream, DuplexStream>;

impl Transport for InMemory {
    const NAME: &'static str = "in-memory";
    type Reader = DuplexStream;
    type Writer = DuplexStream;
    type Bound = InMemoryBound;

    fn bind(&self) -> io::Result<InMemoryBound> {
        // A stream for each direction: dropping one end of it is then felt by the other alone, and no lock is shared by
        // a reader and a writer.
        let (host_writer, worker_reader) = duplex(BUFFER);
        let (worker_writer, host_reader) = duplex(BUFFER);
        let end = MemoryEnd(MemoryChannel::new(worker_reader, worker_writer));
        Ok(InMemoryBound { own: MemoryChannel::new(host_reader, host_writer), end: Some(end) })
    }

    /// A process never has: the end is not in its environment.
    fn is_inherited(&self, _address: &str) -> bool {
        false
    }

    async fn attach(&self, _address: &str) -> io::Result<MemoryChannel> {
        let why = "memory is shared by the threads of one process only; use `UnixSocket` or `NamedPipe` with a process";
        Err(io::Error::new(io::ErrorKind::Unsupported, why))
    }

    async fn adopt(&self, end: Box<dyn Any + Send>) -> io::Result<MemoryChannel> {
        let wrong = |_| io::Error::new(io::ErrorKind::InvalidInput, "this end is not one of `InMemory`");
        Ok(end.downcast::<MemoryEnd>().map_err(wrong)?.0)
    }
}

/// The worker's end on its way to its thread. Dropped there, it ends the host's stream.
struct MemoryEnd(MemoryChannel);

/// The host's end: connected from the start.
#[derive(Debug)]
pub struct InMemoryBound {
    own: MemoryChannel,
    end: Option<MemoryEnd>,
}

impl std::fmt::Debug for MemoryEnd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MemoryEnd").finish_non_exhaustive()
    }
}

impl Bound for InMemoryBound {
    type Reader = DuplexStream;
    type Writer = DuplexStream;

    fn inheritance(&mut self) -> Inheritance {
        match self.end.take() {
            Some(end) => Inheritance::new("").local(end),
            None => Inheritance::new(""),
        }
    }

    async fn establish(self) -> io::Result<MemoryChannel> {
        Ok(self.own)
    }
}
