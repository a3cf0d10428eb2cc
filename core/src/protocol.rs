//! Rules of a connection as a sans-io state machine: no socket, no clock, no task.
//!
//! A [`Connection`] owns the calls of both directions. Its owner feeds it commands (`call`,
//! `cancel`, `answer`), input (`handle_frame`, `handle_timeout`) and asks it for output
//! (`poll_transmit`, `poll_timeout`). A result is an [`Event`]. The state machine is the same on
//! both sides, and either side may call the other. A test drives two of them against each other
//! through every order of events.
//!
//! Rules:
//! - Every request is answered exactly once, by a reply or an error. A oneway message is not
//!   answered.
//! - A cancelled request is answered too. Its id stays in use until then, so a late answer never
//!   reaches a later call.
//! - A side starts no calls after it has sent or received a go-away.
//!
//! The [`handshake`] precedes the first frame and is sans-io as well.

mod connection;
mod errors;
mod event;
pub mod handshake;
mod id_table;
mod outbox;
mod timer_batches;

pub use connection::Connection;
pub use event::Event;
