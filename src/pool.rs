//! Configuration, statistics and parts of a [`Pool`](crate::Pool) of workers.
//!
//! [`Pool::builder`](crate::Pool::builder) returns a [`PoolBuilder`]. [`WhenFull`] is the policy
//! for a call that finds the queue full. [`ScopedPool`] sets the worker or the priority of calls.
//! [`Map`] returns the results of concurrent calls.

pub use isolated_workers_runtime::{
    Checkout, Dispatch, Map, MapProgress, PoolBuilder, QueueStats, Restart, ScopedPool, SpareStats, Stats,
    WhenFull, WorkerId, WorkerStats,
};
