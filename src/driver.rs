//! Drivers run workers: [`Program`](crate::Program) as a child process, [`Thread`] in this process, and [`Attach`]
//! connects to a worker that is running already.
//!
//! To add a driver, implement [`Driver`] and [`Running`].

pub use isolated_workers_runtime::{
    Attach, Attached, Captured, Detach, Dial, Driver, Launch, NoPid, Output, Process, ProcessId, Running,
    RunningThread, Thread,
};
