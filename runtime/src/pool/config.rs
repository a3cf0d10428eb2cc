//! Configuration of a pool.

use std::time::Duration;

use crate::OnCrash;

/// Restart policy of a pool. The variants have the names of Erlang's restart types.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Restart {
    /// All workers, including those that exit with code 0. The default.
    #[default]
    Permanent,
    /// Only workers that crash. The slot of a worker that exits with code 0 stays empty.
    Transient,
    /// No workers, except those that the pool itself ends: to recycle or reload them, or because a
    /// call timed out.
    Temporary,
}

/// Policy for a call that finds the pool's queue full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhenFull {
    /// The call waits for room, which slows down the caller (backpressure). The default.
    #[default]
    Wait,
    /// The call fails with [`Overloaded`](isolated_workers_core::ErrorKind::Overloaded).
    Reject,
    /// The oldest of the calls with the lowest priority in the queue fails with
    /// [`Overloaded`](isolated_workers_core::ErrorKind::Overloaded) and makes room. If all of them
    /// have a higher priority than the new call, the new call fails.
    DropOldest,
}

/// Resolved configuration of a pool's scheduler.
#[derive(Clone, Debug)]
pub(crate) struct PoolConfig {
    /// Minimum number of workers.
    pub(crate) min: usize,
    /// Maximum number of workers, and number of slots.
    pub(crate) max: usize,
    /// Number of warm workers beside those of the slots.
    pub(crate) spares: usize,
    /// Number of permits of a worker.
    pub(crate) max_in_flight: u32,
    /// Number of calls that fit into the queue.
    pub(crate) queue: usize,
    pub(crate) when_full: WhenFull,
    pub(crate) restart: Restart,
    /// Number of unexpected ends allowed within the period. Beyond it the pool is broken until a
    /// worker comes up.
    pub(crate) restart_limit: (u32, Duration),
    /// Number of starts allowed within the period.
    pub(crate) spawn_rate: (u32, Duration),
    pub(crate) on_crash: OnCrash,
    /// Time after which an idle worker above the minimum ends. Zero means never.
    pub(crate) idle_timeout: Duration,
    /// Time after which a worker that owes the answer to a cancel is hung. Zero means never.
    pub(crate) cancel_timeout: Duration,
    /// Time that the other calls of a hung worker have to end. Zero means no limit.
    pub(crate) hung_timeout: Duration,
    pub(crate) recycle: RecycleLimits,
}

/// Limits at which a worker is replaced. Zero means no limit.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RecycleLimits {
    /// Number of calls after which a replacement is started.
    pub(crate) calls: u64,
    /// Number of calls that a worker may start.
    pub(crate) max_calls: u64,
    pub(crate) age: Duration,
    /// Resident memory in bytes.
    pub(crate) memory_bytes: u64,
}
