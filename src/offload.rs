//! Functions that run in worker processes of their own program.
//!
//! [`#[offload]`](macro@crate::offload) keeps a function and adds calls of it in other processes.
//! If a call crashes, runs out of memory or never ends, it is an error, and nothing else is
//! affected.
//!
//! ```
//! use isolated_workers::{Error, offload};
//!
//! #[offload]
//! fn count_primes(below: u64) -> u64 {
//!     (2..below).filter(|n| (2..*n).all(|divisor| n % divisor != 0)).count() as u64
//! }
//!
//! fn main() -> Result<(), Error> {
//!     offload::init();
//!     println!("{}", count_primes::blocking(10_000)?);
//!     Ok(())
//! }
//! ```
//!
//! [`init`] comes first in `main`: the workers are this very program, and serve their functions
//! there. `run` and `blocking` use the default [`pool`], which starts when it is first used. For
//! other settings, start your own pool with [`program`], and use `on`. [`closure!`] offloads a
//! closure.
//!
//! Functions are found by their paths. Host and worker must be the same build of the program: calls
//! to another build are an error. They use the default codec, JSON.

pub use isolated_workers_macros::closure;
pub use isolated_workers_runtime::offload::{Functions, init, pool, program};
