//! The transports of Windows.

mod listener;
mod named_pipe;
mod owner;
mod pipe;
mod stdio;
mod stream;
mod system;

pub use named_pipe::{NamedPipe, NamedPipeBound};
pub use stdio::{Stdio, StdioBound};
pub use stream::{NamedPipeReader, NamedPipeWriter};
