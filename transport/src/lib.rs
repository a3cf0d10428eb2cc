//! Byte streams between a host and its workers.
//!
//! A [`Transport`] makes both ends. The host [binds](Transport::bind) before the worker exists; the
//! worker inherits what it needs to reach the host, and [attaches](Transport::attach). Neither side
//! polls or retries, and a worker that dies while starting ends its stream. With
//! `UnixSocket::bound_by_worker`, the worker binds instead of the host. It is for workers in
//! languages that cannot inherit a socket.
//!
//! | transport | system | worker | on disk | can be [reached again](Reconnect) | inherited as |
//! |---|---|---|---|---|---|
//! | `UnixSocket` | Unix | process | nothing until the host disconnects, then a socket in a private directory (0700) | yes | standard input |
//! | `UnixSocket::at(path)` | Unix | process | a socket (0600) at the path, while the worker runs | yes | standard input |
//! | `UnixSocket::bound_by_worker()` | Unix | process | a socket that the worker makes in a private directory (0700), while the worker runs | yes | a path |
//! | `SocketPair` | Unix | process | nothing | no | standard input |
//! | `Stdio` | Unix, Windows | process | nothing | no | standard input and output |
//! | `NamedPipe` on Unix | Unix | process | a pipe in a private directory (0700), until the worker has opened it | no | standard input |
//! | `NamedPipe` on Windows | Windows | process | nothing | yes | standard input |
//! | [`InMemory`] | all | thread | nothing | no | a value |
//!
//! Use [`DefaultTransport`] unless you need another: `UnixSocket` on Unix, `NamedPipe` on Windows.
//!
//! A worker may print with every transport. With `Stdio`, text that it prints to its standard
//! output appears on its standard error. With all others, its standard output is the one that the
//! host gave it, and carries no frames.
//!
//! All transports except the `NamedPipe` of Windows can close one direction alone:
//! [`Transport::HALF_CLOSE`].
//!
//! ```
//! use isolated_workers_transport::{Bound, InMemory, Transport};
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! let mut bound = InMemory.bind()?;
//! let inheritance = bound.inheritance(); // a process or a thread is started with it
//! let mut host = bound.establish().await?;
//!
//! let mut worker = InMemory.adopt(inheritance.local.unwrap()).await?; // a process calls `attach`
//! worker.writer.write_all(b"hello").await?;
//! drop(worker);
//!
//! let mut received = String::new();
//! host.reader.read_to_string(&mut received).await?; // ends, because the worker's end is dropped
//! assert_eq!(received, "hello");
//! # Ok(())
//! # }
//! ```
//!
//! The modules `unix` and `windows` hold one file for each transport. `stream` and `sys` beside
//! them hold the byte streams and the system calls that the transports share.

mod channel;
mod cleanup;
mod deferred_listener;
mod descriptors;
mod error;
mod in_memory;
mod inheritance;
mod saved_stdio;
mod started;
mod stray_descriptors;
mod transport;
mod try_read;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

pub use channel::{Channel, Incoming};
pub use cleanup::Cleanup;
pub use deferred_listener::DeferredListener;
pub use descriptors::{ChannelDescriptors, DescriptorBatch, DescriptorQueue, Handle};
pub use in_memory::{InMemory, InMemoryBound, InMemoryReader, InMemoryWriter};
pub use inheritance::{CHANNEL_VARIABLE, Inheritance, REMOTE_STDIO};
pub use started::{LAUNCHER_VARIABLE, is_started_by_host};
pub use stray_descriptors::{STRAY_DESCRIPTORS_VARIABLE, stray_descriptors};
pub use transport::{Bound, Reconnect, Transport};
pub use try_read::TryRead;
#[cfg(unix)]
pub use unix::{
    NamedPipe, NamedPipeBound, PipeReader, PipeWriter, SocketPair, SocketPairBound, SocketReader,
    SocketWriter, Stdio, StdioBound, UnixSocket, UnixSocketAt, UnixSocketBound, WorkerSocket,
    WorkerSocketBound,
};
#[cfg(windows)]
pub use windows::{NamedPipe, NamedPipeBound, NamedPipeReader, NamedPipeWriter, Stdio, StdioBound};

#[cfg(unix)]
#[doc(inline)]
pub use unix::UnixSocket as DefaultTransport;
#[cfg(windows)]
#[doc(inline)]
pub use windows::NamedPipe as DefaultTransport;
