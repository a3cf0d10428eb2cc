//! Drivers, which start workers.
//!
//! [`Program`](crate::Program) starts a child process, and [`Thread`] starts a thread of this
//! process. [`Attach`] connects to a worker that is already running, and a [`Wrapper`] runs one
//! elsewhere.
//!
//! To add a driver, implement [`Driver`] and [`Running`].

pub use isolated_workers_runtime::{
    Attach, Attached, Captured, Detach, Dial, Driver, IntoDriver, Launch, NoPid, Output, Process, ProcessId,
    Running, RunningThread, Thread, Wrapper,
};
