//! Configuration, statistics and parts of a [`Pool`](crate::Pool) of workers.
//!
//! [`Pool::builder`](crate::Pool::builder) returns a [`PoolBuilder`]. [`WhenFull`] says what happens to a call that
//! finds the queue full. [`ScopedPool`] is a pool as one tenant sees it. [`Map`] runs many calls at once.

pub use isolated_workers_runtime::{
    Dispatch, Map, MapProgress, PoolBuilder, QueueStats, Restart, ScopedPool, Stats, WhenFull, WorkerId,
    WorkerStats,
};
