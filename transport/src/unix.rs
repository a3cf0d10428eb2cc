//! The transports of Unix.

mod changes;
mod constructor;
mod fifo;
mod folder;
mod inherited;
mod named_pipe;
mod passed;
mod pipe;
mod socket;
mod socket_file;
mod socket_pair;
mod stdio;
mod stream;
mod unix_socket;
mod worker_socket;

pub use named_pipe::{NamedPipe, NamedPipeBound};
pub use pipe::PipeWriter;
pub use socket::{SocketReader, SocketWriter};
pub use socket_pair::{SocketPair, SocketPairBound};
pub use stdio::{Stdio, StdioBound};
pub use unix_socket::{UnixSocket, UnixSocketAt, UnixSocketBound};
pub use worker_socket::{WorkerSocket, WorkerSocketBound};
