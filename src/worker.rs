//! The worker's side: configuration of [`serve`](crate::serve) and handlers made from startup data.
//!
//! `serve(handler)` returns a [`Serve`], a builder that runs when it is awaited. [`Server`] stops a running one.
//! [`serve_with`](crate::serve_with) takes a [`MakeHandler`]: a function of the data that the host has passed to
//! [`Builder::startup_data`](crate::host::Builder::startup_data).

pub use isolated_workers_runtime::{FromStartupData, MakeHandler, Serve, Server};
