//! Hosts, workers and what happens between them.
//!
//! On the host, [`Worker::builder`] starts a [`Program`] and gives a service to call. In the program, [`serve`] answers
//! with a handler. Between them is one connection with one task on either side, and a
//! [`Connection`](isolated_workers_core::protocol::Connection) that holds the rules.

mod attempts;
mod builder;
mod driver;
mod handshake;
mod heartbeat;
mod inherited;
mod link;
mod on_crash;
mod pool;
mod serve;
mod starter;
mod status;
mod supervisor;
#[cfg(feature = "testing")]
pub mod testing;
mod timeouts;
mod worker;

pub use builder::Builder;
pub use driver::{
    Address, Attach, Attached, Captured, Detach, Dial, Driver, Launch, NoPid, Output, Process, ProcessId,
    Program, Running, RunningThread, Thread,
};
pub use heartbeat::Heartbeat;
pub use inherited::is_worker;
pub use link::Link;
pub use on_crash::OnCrash;
pub use pool::{
    Dispatch, Map, MapProgress, Pool, PoolBuilder, QueueStats, Restart, ScopedPool, Stats, WhenFull,
    WorkerId, WorkerStats,
};
pub use serve::{FromStartupData, MakeHandler, Serve, Server, run_worker, serve, serve_with};
pub use status::Status;
pub use timeouts::{OnTimeout, Timeouts};
pub use worker::Worker;
