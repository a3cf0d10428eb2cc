//! Configuration and state of a worker on its host.
//!
//! [`Worker::builder`](crate::Worker::builder) returns a [`Builder`]: [`Timeouts`] bound each phase of a worker's life
//! and each call, [`OnTimeout`] and [`OnCrash`] say what happens next, and [`Heartbeat`] finds workers that hang.
//! [`Status`] is the state of a worker, [`Address`] leads to a detached one. [`Lifecycle`] shuts down either a worker or
//! a pool.

pub use isolated_workers_runtime::{
    Address, Builder, Heartbeat, Lifecycle, Link, OnCrash, OnTimeout, Status, Timeouts,
};
