//! Run code in another process as if it were an async function: typed, isolated, fast.
//!
//! A *host* starts *workers*, which are processes, and sends typed *messages* to the *service* that each worker serves.
//! If a worker fails, hangs or dies, the caller gets an [`Error`].
//!
//! ```no_run
//! use isolated_workers::prelude::*;
//!
//! #[service]
//! trait Calculator {
//!     async fn add(&self, a: i64, b: i64) -> i64;
//! }
//!
//! struct MyCalculator;
//!
//! impl Calculator for MyCalculator {
//!     async fn add(&self, a: i64, b: i64) -> i64 {
//!         a + b
//!     }
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Error> {
//!     if is_worker() {
//!         return serve(MyCalculator.into_service()).await;
//!     }
//!     let worker = Worker::builder(Program::current_exe()?).spawn().await?;
//!     let calculator = CalculatorClient::new(worker.clone());
//!     assert_eq!(calculator.add(2, 3).await?, 5);
//!     worker.close().await
//! }
//! ```
//!
//! # Modules
//!
//! The crate root holds the names that nearly every program needs. The rest is in modules, one per part of the stack.
//! A call goes down the stack on the host and up on the worker. Each part can be replaced, on both sides:
//!
//! | part | module | built in | add your own |
//! |---|---|---|---|
//! | typed stub | [`mod@service`] | [`service`](macro@service) writes it | implement [`Message`] and [`Handler`](service::Handler) |
//! | middleware | [`layer`] | [`Trace`](layer::Trace), [`Retry`](layer::Retry), [`Timeout`](layer::Timeout), [`Auth`](layer::Auth) … | [`from_fn`](layer::from_fn), or implement [`Middleware`](layer::Middleware) |
//! | host | [`host`], [`pool`] | [`Worker`], [`Pool`] | implement [`Service`] |
//! | worker | [`worker`] | [`serve`], [`serve_with`] | |
//! | driver | [`driver`] | [`Program`], [`Thread`](driver::Thread), [`Attach`](driver::Attach) | implement [`Driver`](driver::Driver) |
//! | codec | [`codec`] | [`Json`](codec::Json), [`Postcard`](codec::Postcard), [`Cbor`](codec::Cbor), [`Compressed`](codec::Compressed) | implement [`Codec`](codec::Codec) |
//! | transport | [`transport`] | [`UnixSocket`](transport::UnixSocket), [`SocketPair`](transport::SocketPair), [`Stdio`](transport::Stdio), [`NamedPipe`](transport::NamedPipe), [`InMemory`](transport::InMemory) | implement [`Transport`](transport::Transport) |
//!
//! [`protocol`] holds requests, responses and limits. [`error`] holds the parts of an [`Error`].
//!
//! # Calls without a process
//!
//! A worker is a [`Service`], with or without layers around it, and so is a handler in this process. A client works
//! with either, so a service can be tested without a process:
//!
//! ```
//! use isolated_workers::{codec::Json, prelude::*, service::Local};
//!
//! #[service]
//! trait Greeter {
//!     async fn greet(&self, name: String) -> String;
//! }
//!
//! struct Polite;
//!
//! impl Greeter for Polite {
//!     async fn greet(&self, name: String) -> String {
//!         format!("Good evening, {name}.")
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Error> {
//! let greeter = GreeterClient::new(Local::new(Polite.into_service(), Json));
//! assert_eq!(greeter.greet("Ada".into()).await?, "Good evening, Ada.");
//! # Ok(())
//! # }
//! ```
//!
//! # Errors
//!
//! A call of a method that returns `T` returns `Result<T, Error>`. A call of a method that returns `Result<T, E>`
//! returns `Result<T, CallError<E>>`, which keeps the handler's own error apart from a call that failed.
//! [`Error::kind`] is the category. [`Error::executed`] says whether the worker may have run the message.
//! [`Error::crash`] says how the worker ended.
//!
//! # Features
//!
//! - `macros` (default): [`service`](macro@service) and [`main`](macro@main).
//! - `json` (default), `postcard`, `cbor`: a codec each. Without `json` there is no default codec, and every builder
//!   needs `.codec(..)`.
//! - `compression`: `codec::Compressed`, which puts zlib around the frames of any codec.
//! - `pool` (default): [`Pool`] and the module [`pool`].
//! - `metrics`: the layer `layer::Metrics`, which reports through the crate `metrics`.
//! - `tower`: `layer::tower_layer` puts layers of the crate `tower` around workers; `layer::TowerService` makes a worker a
//!   `tower` service.
//! - `testing`: the module `testing`. `Faults` makes calls fail, `RoundTrip` finds values that a codec cannot carry, and
//!   the conformance suite tests your own transport, codec or driver.

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(doctest)]
mod book;

pub mod codec;
pub mod driver;
pub mod error;
pub mod host;
pub mod layer;
#[cfg(feature = "pool")]
pub mod pool;
pub mod protocol;
pub mod service;
pub mod transport;
pub mod worker;

pub use isolated_workers_core::{CallError, Error, ErrorKind, Message};
#[cfg(feature = "macros")]
pub use isolated_workers_macros::{main, service};
pub use isolated_workers_middleware::{Service, ServiceExt};
#[cfg(feature = "pool")]
pub use isolated_workers_runtime::Pool;
#[cfg(feature = "testing")]
pub use isolated_workers_runtime::testing;
pub use isolated_workers_runtime::{Program, Worker, is_worker, serve, serve_with};

/// Names that nearly every host and worker needs.
pub mod prelude {
    #[cfg(feature = "macros")]
    #[doc(no_inline)]
    pub use isolated_workers_macros::service;

    #[cfg(feature = "pool")]
    #[doc(no_inline)]
    pub use crate::Pool;
    #[doc(no_inline)]
    pub use crate::{
        CallError, Error, ErrorKind, Program, Service, ServiceExt, Worker, is_worker, serve, serve_with,
    };
}

/// Parts of generated code that are not public API.
#[doc(hidden)]
pub mod __private {
    pub mod bytes;

    pub use isolated_workers_codec::zero_copy_bytes::maybe_bytes;
    pub use isolated_workers_runtime::run_worker;
    pub use serde;
}
