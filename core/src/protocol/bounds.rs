//! Bounds of what a peer may leave waiting on the other side. `docs/wire.md` states them.

/// Number of requests that may wait for their answers in one direction. A request beyond it ends
/// the connection, so a caller waits before it exceeds the bound.
pub const MAX_UNANSWERED_REQUESTS: usize = 1 << 16;

/// Size in bytes of the answers that may wait until the peer reads them. A request that arrives
/// while more are waiting ends the connection. A side that serves requests stops reading earlier.
pub const MAX_UNREAD_ANSWER_BYTES: usize = 4 << 20;
