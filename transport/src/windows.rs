//! The transports of Windows, one file each.

mod named_pipe;
mod pre_main;
mod stdio;
mod stream;

/// Windows calls and pipe objects that the transports share.
mod sys {
    pub(super) mod acl;
    pub(super) mod listener;
    pub(super) mod pipe_pair;
    pub(super) mod win32;
}

pub use named_pipe::{NamedPipe, NamedPipeBound};
pub use stdio::{Stdio, StdioBound};
pub use stream::{NamedPipeReader, NamedPipeWriter};
