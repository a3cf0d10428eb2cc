//! Hosts, workers, and the connection between them.
//!
//! On the host, [`Worker::builder`] starts a [`Program`] and returns a service to call. In the
//! program, [`serve`] answers calls with a handler. One connection links the two, with one
//! connection task on each side. A [`Connection`](isolated_workers_core::protocol::Connection)
//! implements the rules of the protocol.
//!
//! # Layout
//! A module uses only modules listed above it:
//!
//! 1. `timeouts`, `latency`, `lifecycle`, `poll_on_wake`; `sandbox`: confinement of processes
//! 2. `launch`: data that a driver passes to a worker; `connection`: the connection task and
//!    [`Link`]; `handshake`
//! 3. `handlers`: the running handlers of a connection; `describe`: descriptions of workers
//! 4. `driver`: starts workers; `worker`: serves in a worker
//! 5. `host`: builder, supervisor and handle of a worker
//! 6. `pool`: many workers behind one service
//! 7. `blocking`: workers, pools and calls for programs without a runtime
//! 8. `offload`: functions that run in workers of the same program; `testing`
//! 9. `test_run`: tests whose worker is the test program

#[cfg(feature = "blocking")]
pub mod blocking;
// Only a pool uses a connection's permits.
#[cfg_attr(not(feature = "pool"), allow(dead_code, unused_imports))]
mod connection;
pub mod describe;
mod driver;
mod handlers;
mod handshake;
mod host;
mod latency;
mod launch;
mod lifecycle;
#[cfg(feature = "offload")]
pub mod offload;
mod poll_on_wake;
#[cfg(feature = "pool")]
mod pool;
#[cfg(feature = "sandbox")]
pub mod sandbox;
mod test_run;
#[cfg(feature = "testing")]
pub mod testing;
mod timeouts;
mod worker;

pub use connection::Link;
#[doc(hidden)]
pub use driver::TestEntry;
pub use driver::{
    Address, Attach, Attached, Captured, Detach, Dial, Driver, IntoDriver, NoPid, Output, Process, ProcessId,
    Program, Running, RunningThread, Thread, Wrapper,
};
pub use host::{Builder, Heartbeat, HostHandler, NoCallbacks, OnCrash, Status, Worker};
#[cfg(feature = "offload")]
#[doc(hidden)]
pub use inventory;
pub use latency::Latency;
pub use launch::{Launch, is_worker, scratch_dir};
pub use lifecycle::Lifecycle;
#[cfg(feature = "pool")]
pub use pool::{
    Checkout, Dispatch, Map, MapProgress, Pool, PoolBuilder, QueueStats, Restart, ScopedPool, SpareStats,
    Stats, WhenFull, WorkerId, WorkerStats,
};
#[doc(hidden)]
pub use test_run::{
    FromProgram, ServeInTest, run_blocking_test, run_blocking_test_with_worker, run_test,
    run_test_with_worker,
};
pub use timeouts::{OnTimeout, Timeouts};
#[cfg(feature = "events")]
pub use worker::{EventLayer, init_tracing};
pub use worker::{FromStartupData, MakeHandler, Serve, Server, run_worker, serve, serve_with};
