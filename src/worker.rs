//! The worker's side: configuration of [`serve`](crate::serve), and handlers made from startup
//! data.
//!
//! `serve(handler)` returns a [`Serve`], a builder that serves when it is awaited. [`Server`] stops
//! a serving worker. [`serve_with`](crate::serve_with) takes a function that makes the handler from
//! the data that the host passed to [`Builder::startup_data`](crate::host::Builder::startup_data).
//! [`MakeHandler`] is implemented for both kinds of source: a handler, or such a function.

#[cfg(feature = "events")]
pub use isolated_workers_runtime::{EventLayer, init_tracing};
pub use isolated_workers_runtime::{FromStartupData, Latency, MakeHandler, Serve, Server, scratch_dir};
