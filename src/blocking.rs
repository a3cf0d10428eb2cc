//! Workers, pools and clients for programs without a runtime: plain functions that wait.
//!
//! The builders are those of the async API. [`Worker::spawn`] and [`Pool::spawn`] take one. For each
//! `#[service]` trait there is a blocking client, whose streams are iterators.
//!
//! ```no_run
//! use isolated_workers::prelude::*;
//! use isolated_workers::blocking;
//!
//! #[service]
//! trait Calculator {
//!     async fn add(&self, a: i64, b: i64) -> i64;
//!     fn primes(&self, below: u64) -> impl Stream<Item = u64>;
//! }
//! # use isolated_workers::service::streaming;
//! # use futures_util::stream::{self, Stream};
//! # struct MyCalculator;
//! # impl Calculator for MyCalculator {
//! #     async fn add(&self, a: i64, b: i64) -> i64 { a + b }
//! #     fn primes(&self, below: u64) -> impl Stream<Item = u64> { stream::iter(2..below) }
//! # }
//!
//! fn main() -> Result<(), Error> {
//!     if is_worker() {
//!         return blocking::run(serve(MyCalculator.into_service()));
//!     }
//!     let worker = blocking::Worker::spawn(Worker::builder(Program::current_exe()?))?;
//!     let calculator = CalculatorBlockingClient::new(&worker);
//!     assert_eq!(calculator.add(2, 3)?, 5);
//!     for prime in calculator.primes(100) {
//!         println!("{}", prime?);
//!     }
//!     worker.close()
//! }
//! ```
//!
//! # Threads
//! All blocking workers and pools of a process share one thread of the library, which starts at the
//! first use. It reads from the workers and ends them. A call is encoded, sent and decoded on the
//! thread that waits for it. Any number of threads may call.
//!
//! A program that makes thousands of calls at once needs a thread for each of them, and is better
//! off with the async API. [`Pool::map`] makes many calls from one thread, and [`block_on`] waits
//! for any future.
//!
//! # Async code
//! A method that waits holds its thread: in async code, call it within `spawn_blocking`. A handler
//! of a callback that is an `async fn` runs on the thread of the library. There, a method that
//! waits fails with [`WouldDeadlock`](crate::ErrorKind::WouldDeadlock).

pub use isolated_workers_runtime::blocking::{
    BlockingService, ReplyIter, Worker, block_on, run, send, send_items, stream, stream_items,
};
#[cfg(feature = "pool")]
pub use isolated_workers_runtime::blocking::{Checkout, Map, Pool, ScopedPool};
