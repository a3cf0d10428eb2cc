//! Protocol of a connection as a sans-io state machine: no socket, no clock, no task.
//!
//! A [`Connection`] owns the calls of both directions. Its owner issues commands (`call`, `cancel`,
//! `answer`), feeds it input (`handle_frame`, `handle_timeout`) and polls it for output
//! (`poll_transmit`, `poll_timeout`). Results are [`Event`]s. The state machine is the same on both
//! sides, and either side may call the other. Tests connect two of them and vary the order of
//! events.
//!
//! Rules:
//! - Every request is answered exactly once, by a reply or an error. A oneway message is not
//!   answered.
//! - A cancelled request is answered too, if it was sent. Its id stays in use until the answer
//!   arrives, so a late answer never reaches a later call.
//! - A stream of items belongs to a call. The items of the callee end with its answer, and those of
//!   the caller with a frame of their own. Nothing follows the answer.
//! - Items wait for credit, and nothing else does. A receiver never holds more items of a stream
//!   than its [`Admission`], plus one.
//! - A side starts no new calls after it has sent or received a go-away.
//! - A peer cannot make a queue grow without bound. At most one pong is queued, and a peer that
//!   exceeds an [`Admission`] or [`MAX_UNREAD_ANSWER_BYTES`] breaks the protocol.
//!
//! The [`handshake`] precedes the first frame. It is sans-io as well.

mod admission;
mod bounds;
mod connection;
mod errors;
mod event;
mod given_up;
pub mod handshake;
mod id_table;
mod outbox;
mod streams;
mod timer_batches;

pub use admission::Admission;
pub use bounds::MAX_UNREAD_ANSWER_BYTES;
pub use connection::Connection;
pub use event::{Event, StreamEnd};
pub use streams::{Receiving, Sending};
