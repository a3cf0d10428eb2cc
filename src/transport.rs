//! Transports carry bytes between a host and a worker.
//!
//! [`DefaultTransport`] is a Unix socket on Unix and a named pipe on Windows. Choose another with
//! [`Builder::transport`](crate::host::Builder::transport); the worker finds out which one started it.
//!
//! To add a transport, implement [`Transport`] and [`Bound`]; implement [`Reconnect`] if a worker can be dialed again.

pub use isolated_workers_transport::{
    Bound, CHANNEL_VARIABLE, Channel, Cleanup, DefaultTransport, DeferredListener, InMemory, InMemoryBound,
    InMemoryReader, InMemoryWriter, Incoming, Inheritance, NamedPipe, NamedPipeBound, Reconnect,
    STRAY_DESCRIPTORS_VARIABLE, Stdio, StdioBound, Transport, stray_descriptors,
};
#[cfg(windows)]
pub use isolated_workers_transport::{NamedPipeReader, NamedPipeWriter};
#[cfg(unix)]
pub use isolated_workers_transport::{
    PipeReader, PipeWriter, SocketPair, SocketPairBound, SocketReader, SocketWriter, UnixSocket,
    UnixSocketAt, UnixSocketBound, WorkerSocket, WorkerSocketBound,
};
