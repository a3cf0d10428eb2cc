//! Descriptions of workers: what a worker can do, and what it is doing.
//!
//! [`Worker::describe`](crate::Worker::describe) and [`Pool::describe`](crate::Pool::describe)
//! return the [`Description`] of a worker: its services with their methods, arguments and flags. A
//! worker tells them if it was built with `debug_assertions`, or if
//! [`Serve::describe`](crate::worker::Serve::describe) says so. [`describe()`], [`status`] and
//! [`ping`] ask any [`Service`](crate::Service) that leads to a worker.
//!
//! `#[service]` generates a [`ServiceInfo`] for each trait. With the feature `schema`,
//! `#[service(schema)]` adds a [`TypeSchema`] of each argument, reply, error and item, whose types
//! then implement `schemars::JsonSchema`.

pub use isolated_workers_core::{ArgumentInfo, MethodInfo, ServiceInfo, TypeSchema};
pub use isolated_workers_runtime::describe::{
    AskStatus, Describe, DescribedArgument, DescribedLimits, DescribedMethod, DescribedService, Description,
    LatencyReport, Ping, StatusReport, describe, ping, status,
};
#[cfg(feature = "schema")]
pub use isolated_workers_runtime::describe::{Comparison, Compatibility, Difference};
