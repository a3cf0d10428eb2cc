//! The vocabulary of `isolated-workers`, and the state machine of one of its connections.
//!
//! Nothing in here does I/O, reads a clock or starts a task: a [`Message`] names what may be asked, a [`Request`] and
//! a [`Response`] carry it encoded, a [`Frame`] is what travels, an [`Error`] says why a call failed, and
//! [`protocol::Connection`] decides what happens to each of them. Every other crate of the project builds on this one.

mod body;
mod budget;
mod call_error;
mod error;
mod extensions;
mod frame;
mod limits;
mod message;
mod metadata;
mod name;
pub mod protocol;
mod request;
mod response;
mod schema;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod tx_id;

pub use body::Body;
pub use budget::Budget;
pub use call_error::CallError;
pub use error::{BoxError, Crash, Error, ErrorKind, Executed, ExitReason, RemoteError};
pub use extensions::Extensions;
pub use frame::Frame;
pub use limits::Limits;
pub use message::{Message, Never, ServiceError};
pub use metadata::Metadata;
pub use name::Name;
pub use request::{Request, Role};
pub use response::Response;
pub use schema::Schema;
pub use tx_id::{RandomIds, SequentialIds, TxId, TxIdGenerator};
