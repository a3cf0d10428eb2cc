//! Configuration and state of a worker on its host.
//!
//! [`Worker::builder`](crate::Worker::builder) returns a [`Builder`]. [`Timeouts`] limit each call
//! and each phase of a worker's lifecycle. [`OnTimeout`] and [`OnCrash`] are the policies for
//! timeouts and crashes. [`Heartbeat`] detects workers that hang. [`Latency`] is the time for which
//! a thread looks for input before it sleeps. [`Status`] is the state of a worker.
//! [`Builder::serve`] lets the worker call its host. [`Address`] is the address of a detached
//! worker. [`Lifecycle`] shuts down a worker or a pool.

pub use isolated_workers_runtime::{
    Address, Builder, Heartbeat, HostHandler, Latency, Lifecycle, Link, NoCallbacks, OnCrash, OnTimeout,
    Status, Timeouts,
};
