//! Bounds of what a peer may leave waiting on the other side. `docs/wire.md` states them.

/// Size in bytes of the answers that may wait until a peer without an
/// [`Admission`](super::Admission) reads them. A request that arrives while more are waiting ends
/// the connection. A side that serves requests stops reading earlier.
pub const MAX_UNREAD_ANSWER_BYTES: usize = 4 << 20;
