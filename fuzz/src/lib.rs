//! What each fuzz target does with its bytes, and what must hold whatever they are. `.ci/fuzz` runs them.

pub mod connection;
pub mod framing;
pub mod handshake;
pub mod values;
