//! The rules of a connection, without a socket, a clock or a task in them.
//!
//! A [`Connection`] is told what its owner wants (`call`, `cancel`, `answer`), what came in (`handle_frame`) and how
//! late it is (`handle_timeout`); it says what to send (`poll_transmit`), what happened (an [`Event`]) and when it
//! wants to be woken (`poll_timeout`). It is the same on both sides, and either may call the other. Because nothing in
//! here waits for the world, tests drive two of them against each other through every order of events.
//!
//! The rules:
//! - Every request that is not oneway is answered exactly once, by a reply or an error.
//! - A cancelled request is answered, too. Until then its id stays in use, so that an answer which crossed the cancel
//!   on its way can never be taken for that of another call.
//! - After its goodbye a side starts no more calls.

mod connection;
mod event;
mod id_table;
mod outbox;
mod refusal;
mod turns;

pub use connection::Connection;
pub use event::Event;
