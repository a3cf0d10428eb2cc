//! Confinement of worker processes: a [`Sandbox`] says what a worker may do, and a [`Report`] what
//! confines it.
//!
//! ```no_run
//! use isolated_workers::prelude::*;
//! use isolated_workers::sandbox::Sandbox;
//!
//! # async fn example() -> Result<(), Error> {
//! let sandbox = Sandbox::deny_all().read("/usr/share/fonts").memory(512 << 20);
//! let worker = Worker::builder(Program::current_exe()?).sandbox(sandbox).spawn().await?;
//! println!("{}", worker.sandbox());
//! # Ok(())
//! # }
//! ```

pub use isolated_workers_runtime::sandbox::{Protection, ProtectionState, Report, Row, Sandbox};
