//! The transports of Unix, one file each.

mod named_pipe;
mod pre_main;
mod socket_pair;
mod stdio;
mod unix_socket;
mod worker_socket;

/// Byte streams over sockets and pipes, and the channels made of them.
mod stream {
    pub(super) mod acceptor;
    pub(super) mod pipe;
    pub(super) mod pipe_channel;
    pub(super) mod socket;
    pub(super) mod socket_channel;
}

/// System calls and files that the transports share.
mod sys {
    pub(super) mod channel_ends;
    pub(super) mod dir_watcher;
    pub(super) mod fifo;
    pub(super) mod private_dir;
    pub(super) mod read;
    pub(super) mod read_descriptors;
    pub(super) mod scm_rights;
    pub(super) mod shortage;
    pub(super) mod sigpipe;
    pub(super) mod socket_file;
    pub(super) mod socket_path;
    pub(super) mod stray_descriptors;
}

pub use named_pipe::{NamedPipe, NamedPipeBound};
pub use socket_pair::{SocketPair, SocketPairBound};
pub use stdio::{Stdio, StdioBound};
pub use stream::pipe::{PipeReader, PipeWriter};
pub use stream::socket::{SocketReader, SocketWriter};
pub(crate) use sys::stray_descriptors::list as list_stray_descriptors;
pub use unix_socket::{UnixSocket, UnixSocketAt, UnixSocketBound};
pub use worker_socket::{WorkerSocket, WorkerSocketBound};
