//! Transports, which carry bytes between a host and a worker.
//!
//! [`DefaultTransport`] is a Unix socket on Unix and a named pipe on Windows. Choose another with
//! [`Builder::transport`](crate::host::Builder::transport). The worker detects the built-in
//! transports.
//!
//! To add a transport, implement [`Transport`] and [`Bound`]. Also implement [`Reconnect`] if the
//! host can connect to a running worker again.

pub use isolated_workers_transport::{
    Bound, CHANNEL_VARIABLE, Channel, ChannelDescriptors, Cleanup, DefaultTransport, DeferredListener,
    DescriptorBatch, DescriptorQueue, InMemory, InMemoryBound, InMemoryReader, InMemoryWriter, Incoming,
    Inheritance, NamedPipe, NamedPipeBound, Reconnect, STRAY_DESCRIPTORS_VARIABLE, Stdio, StdioBound,
    Transport, TryRead, stray_descriptors,
};
#[cfg(windows)]
pub use isolated_workers_transport::{NamedPipeReader, NamedPipeWriter};
#[cfg(unix)]
pub use isolated_workers_transport::{
    PipeReader, PipeWriter, SocketPair, SocketPairBound, SocketReader, SocketWriter, UnixSocket,
    UnixSocketAt, UnixSocketBound, WorkerSocket, WorkerSocketBound,
};
