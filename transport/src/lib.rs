//! How a stream of bytes reaches a worker process.
//!
//! A [`Transport`] makes both ends: the host [binds](Transport::bind) before the worker exists, the worker inherits
//! what it needs to reach the host, and [attaches](Transport::attach) to it. Nobody polls, nobody tries again, and a
//! worker that dies on its way is noticed by the end of its stream. One transport is the other way round, for workers
//! in languages that cannot inherit a socket: there the worker binds.
//!
//! | transport | system | worker is a | what is on disk | can be [reached again](Reconnect) | inherited as |
//! |---|---|---|---|---|---|
//! | `UnixSocket` | Unix | process | a socket in a folder of its own (0700), while the worker runs | yes | standard input |
//! | `UnixSocket::at(path)` | Unix | process | a socket (0600) at the path, while the worker runs | yes | standard input |
//! | `UnixSocket::bound_by_worker()` | Unix | process | a socket that the worker makes, in a folder of its own (0700), while the worker runs | yes | a path |
//! | `SocketPair` | Unix | process | nothing | no | standard input |
//! | `Stdio` | Unix, Windows | process | nothing | no | standard input and output |
//! | `NamedPipe` on Unix | Unix | process | a pipe in a folder of its own (0700), until the worker has opened it | no | standard input |
//! | `NamedPipe` on Windows | Windows | process | nothing | yes | standard input |
//! | [`InMemory`] | all | thread | nothing | no | a value |
//!
//! [`DefaultTransport`] is the one of these to use where nothing speaks for another: `UnixSocket` on Unix, `NamedPipe` on
//! Windows.
//!
//! A worker may print on every one of them. With `Stdio`, what it prints on its standard output comes out on its
//! standard error. On all others its standard output is what the host made it; no frame ever travels there.
//!
//! ```
//! use isolated_workers_transport::{Bound, InMemory, Transport};
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! let mut bound = InMemory.bind()?;
//! let inheritance = bound.inheritance(); // what a process or a thread is started with
//! let mut host = bound.establish().await?;
//!
//! let mut worker = InMemory.adopt(inheritance.local.unwrap()).await?; // a process calls `attach`
//! worker.writer.write_all(b"hello").await?;
//! drop(worker);
//!
//! let mut heard = String::new();
//! host.reader.read_to_string(&mut heard).await?; // ends, because the worker's end is gone
//! assert_eq!(heard, "hello");
//! # Ok(())
//! # }
//! ```
//!
//! One direction can be closed alone on all but the `NamedPipe` of Windows: [`Transport::HALF_CLOSE`].

mod captured;
mod channel;
mod cleanup;
mod error;
mod in_memory;
mod transport;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

pub use channel::{Channel, DeferredListener, Incoming};
pub use cleanup::Cleanup;
pub use in_memory::{InMemory, InMemoryBound};
pub use transport::{Bound, CHANNEL_VARIABLE, INHERIT_VARIABLE, Inheritance, Reconnect, Transport};
#[cfg(unix)]
pub use unix::{
    NamedPipe, NamedPipeBound, PipeWriter, SocketPair, SocketPairBound, SocketReader, SocketWriter, Stdio,
    StdioBound, UnixSocket, UnixSocketAt, UnixSocketBound, WorkerSocket, WorkerSocketBound,
};
#[cfg(windows)]
pub use windows::{NamedPipe, NamedPipeBound, NamedPipeReader, NamedPipeWriter, Stdio, StdioBound};

#[cfg(unix)]
#[doc(inline)]
pub use unix::UnixSocket as DefaultTransport;
#[cfg(windows)]
#[doc(inline)]
pub use windows::NamedPipe as DefaultTransport;
