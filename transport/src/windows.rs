//! The transports of Windows.

mod named_pipe;
mod stream;
mod system;

pub use named_pipe::{NamedPipe, NamedPipeBound};
pub use stream::{NamedPipeReader, NamedPipeWriter};
