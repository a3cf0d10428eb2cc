//! Requests, responses, and the rules of a connection.
//!
//! A layer handles a [`Request`] and a [`Response`], which have a [`Name`], a [`Body`],
//! [`Metadata`] and [`Extensions`]. A codec handles [`Frame`]s. [`Limits`] and [`Budget`] limit the
//! memory that a peer can make this process use. [`Connection`] is the protocol as a sans-io state
//! machine, without a socket, clock or task. `docs/wire.md` describes the wire format.

pub use isolated_workers_core::protocol::{Admission, Connection, Event, Receiving, Sending};
pub use isolated_workers_core::{
    Attachment, Attachments, Body, Budget, Extensions, Frame, GoAway, Items, Limits, Metadata, Name,
    RandomIds, Request, Response, Role, Schema, SequentialIds, Streams, TxId, TxIdGenerator,
};
