//! How a stream of bytes reaches a worker process.
//!
//! A [`Transport`] makes both ends: the host [binds](Transport::bind) before the worker exists, the worker inherits
//! what it needs to reach the host, and [attaches](Transport::attach) to it. Nobody polls, nobody tries again, and a
//! worker that dies on its way is noticed by the end of its stream.
//!
//! | transport | where | what is on disk |
//! |---|---|---|
//! | [`UnixSocket`] | Unix | a socket in a folder of its own (0700), until the worker is started |

mod transport;
#[cfg(unix)]
mod unix_socket;

pub use transport::{Bound, Channel, Inheritance, Transport};
#[cfg(unix)]
pub use unix_socket::{UnixBound, UnixSocket};
