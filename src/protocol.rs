//! Requests, responses, and the rules of a connection.
//!
//! A layer sees a [`Request`] and a [`Response`]: a [`Name`], a [`Body`], [`Metadata`] and [`Extensions`]. A codec sees
//! [`Frame`]s. [`Limits`] and [`Budget`] bound what a peer can make this process hold. [`Connection`] is the protocol
//! as a state machine, without a socket, a clock or a task; `docs/wire.md` describes its wire format.

pub use isolated_workers_core::protocol::{Connection, Event};
pub use isolated_workers_core::{
    Body, Budget, Extensions, Frame, Limits, Metadata, Name, RandomIds, Request, Response, Role, Schema,
    SequentialIds, TxId, TxIdGenerator,
};
