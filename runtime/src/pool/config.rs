use std::time::Duration;

use crate::OnCrash;

/// Which workers of a pool are started again when they end, in the terms of Erlang's supervisors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Restart {
    /// All, also those that exit with code 0. The default.
    #[default]
    Permanent,
    /// Those that crash. One that exits with code 0 has done its work, and its place stays empty.
    Transient,
    /// None but those that the pool itself ends: to recycle them, to load the program anew, or for a call that took too
    /// long.
    Temporary,
}

/// What happens to a call that finds the queue of its pool full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhenFull {
    /// It waits for room: whoever makes calls is slowed down. The default.
    #[default]
    Wait,
    /// It fails with [`Overloaded`](isolated_workers_core::ErrorKind::Overloaded).
    Reject,
    /// The oldest of the least urgent calls in the queue fails with
    /// [`Overloaded`](isolated_workers_core::ErrorKind::Overloaded), and makes way. Where all are more urgent than the
    /// new one, that one fails.
    DropOldest,
}

/// What a pool goes by.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) min: usize,
    pub(crate) max: usize,
    pub(crate) max_in_flight: u32,
    pub(crate) queue: usize,
    pub(crate) when_full: WhenFull,
    pub(crate) restart: Restart,
    /// More unexpected ends than this within the time, and the pool is given up until a worker comes up again.
    pub(crate) restart_limit: (u32, Duration),
    /// No more starts than this within the time.
    pub(crate) spawn_rate: (u32, Duration),
    pub(crate) on_crash: OnCrash,
    /// How long a worker that is not needed stays. Zero is for ever.
    pub(crate) idle_timeout: Duration,
    pub(crate) recycle: Recycle,
}

/// When a worker is replaced by a fresh one. Zero is never.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Recycle {
    pub(crate) calls: u64,
    pub(crate) age: Duration,
    /// Resident bytes.
    pub(crate) memory: u64,
}
