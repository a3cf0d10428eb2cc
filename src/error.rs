//! Parts of an [`Error`](crate::Error): whether the call was executed, and how a worker crashed.
//!
//! [`Error::executed`](crate::Error::executed) returns [`Executed`].
//! [`Error::crash`](crate::Error::crash) returns a [`Crash`], whose [`ExitReason`] says how the
//! worker ended. [`RemoteError`] is the source of an error that a worker sent. A method's own error
//! type implements [`ServiceError`]. [`Never`] is the error type of a method that returns no error.

pub use isolated_workers_core::{
    BoxError, Crash, Executed, ExitReason, Never, RemoteError, SandboxEnd, ServiceError,
};
