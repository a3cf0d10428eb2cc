//! Common types of `isolated-workers` and the connection state machine.
//!
//! This crate does no I/O, reads no clock and starts no task. A [`Message`] is a typed call. A
//! [`Request`] and a [`Response`] carry its encoded form. A [`Frame`] is the unit of the wire
//! protocol. An [`Error`] describes why a call failed. [`protocol::Connection`] implements the
//! protocol. All other crates of the project build on this one.

mod attachments;
mod body;
mod budget;
mod call_error;
mod error;
mod extensions;
mod frame;
mod items;
mod limits;
mod message;
mod metadata;
mod name;
pub mod protocol;
mod request;
mod response;
mod service_id;
mod service_info;
mod services;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod tx_id;
mod type_schema;
mod value;

pub use attachments::{Attachment, AttachmentCount, Attachments, Handle};
pub use body::Body;
pub use budget::Budget;
pub use call_error::CallError;
pub use error::{
    BoxError, Crash, Error, ErrorKind, Executed, ExitReason, RemoteError, SandboxEnd, split_backtrace,
};
pub use extensions::Extensions;
pub use frame::{Frame, GoAway};
#[doc(hidden)]
pub use items::ResultStream;
pub use items::{Items, Streams};
pub use limits::Limits;
pub use message::{Message, Never, ReplyStream, RequestStream, ServiceError};
pub use metadata::Metadata;
pub use name::Name;
pub use request::{Request, Role};
pub use response::Response;
pub use service_id::Schema;
pub use service_info::{ArgumentInfo, MethodInfo, ServiceInfo};
pub use services::{InvalidServices, Services};
pub use tx_id::{RandomIds, SequentialIds, TxId, TxIdGenerator};
pub use type_schema::{Definitions, TypeSchema};
pub use value::{Sendable, Value};
