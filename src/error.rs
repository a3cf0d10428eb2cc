//! Parts of an [`Error`](crate::Error): whether the call was executed, and how a worker crashed.
//!
//! [`Error::executed`](crate::Error::executed) returns [`Executed`]. [`Error::crash`](crate::Error::crash) returns
//! [`Crash`], whose [`ExitReason`] says how the worker ended. [`RemoteError`] is the source of an error that a worker
//! has sent. [`ServiceError`] is what a method's own error must implement; [`Never`] is the error of a method that has
//! none.

pub use isolated_workers_core::{BoxError, Crash, Executed, ExitReason, Never, RemoteError, ServiceError};
