//! Hosts, workers and what happens between them.
//!
//! On the host, [`Worker::builder`] starts a [`Program`] and gives a service to call. In the program, [`serve`] answers
//! with a handler. Between them is one connection with one task on either side, and a
//! [`Connection`](isolated_workers_core::protocol::Connection) that holds the rules.

mod connection;
mod driver;
mod handshake;
mod host;
mod inherited;
#[cfg(feature = "pool")]
mod pool;
#[cfg(feature = "testing")]
pub mod testing;
mod timeouts;
mod worker;

pub use connection::Link;
pub use driver::{
    Address, Attach, Attached, Captured, Detach, Dial, Driver, Launch, NoPid, Output, Process, ProcessId,
    Program, Running, RunningThread, Thread,
};
pub use host::{Builder, Heartbeat, OnCrash, Status, Worker};
pub use inherited::is_worker;
#[cfg(feature = "pool")]
pub use pool::{
    Dispatch, Map, MapProgress, Pool, PoolBuilder, QueueStats, Restart, ScopedPool, Stats, WhenFull,
    WorkerId, WorkerStats,
};
pub use timeouts::{OnTimeout, Timeouts};
pub use worker::{FromStartupData, MakeHandler, Serve, Server, run_worker, serve, serve_with};
