//! Run code in another process as if it were an async function: typed, isolated, fast.
//!
//! A *host* starts *workers*, which are processes, and sends typed *messages* to the *service* that each of them
//! serves. What goes wrong in a worker, up to its death, is an [`Error`] at the caller.
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
//! # The stack
//!
//! A call goes down one stack and up the other. Each layer is chosen on its own, on both sides:
//!
//! | layer | here | in the box | yours |
//! |---|---|---|---|
//! | typed stub | [`service`](macro@service) | | implement [`Message`] and [`Handler`] by hand |
//! | middleware | [`Service`], [`Middleware`] | [`Trace`], [`Retry`], [`Timeout`], [`Auth`] … | implement [`Middleware`], or [`from_fn`]; [`on_request`], [`on_response`], [`for_message`] |
//! | runtime | [`Worker`], [`Pool`], [`serve`], [`Driver`] | [`Program`], [`Thread`], [`Attach`] | implement [`Driver`] |
//! | codec | [`Codec`], [`Framing`] | [`Json`], [`Postcard`], [`Cbor`], [`Compressed`] | implement [`Codec`]; [`LengthPrefixed`] frames any binary format |
//! | transport | [`Transport`] | [`UnixSocket`], [`SocketPair`], [`Stdio`], [`NamedPipe`], [`InMemory`] | implement [`Transport`] |
//!
//! # What can be called is a `Service`
//!
//! A worker is one, with or without middleware around it, and so is a handler in this process. A client does not know
//! which it talks to, so a service is tested without a process like this:
//!
//! ```
//! use isolated_workers::{Json, Local, prelude::*};
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
//! A method that returns `T` is called for `Result<T, Error>`, one that returns `Result<T, E>` for
//! `Result<T, CallError<E>>`, so that the handler's own error is told from a call that failed. [`Error::kind`] is there
//! to decide by, [`Error::executed`] says whether the message may have been run, [`Error::crash`] how the worker ended.
//!
//! # Features
//!
//! - `macros` (default): [`service`](macro@service) and [`main`](macro@main).
//! - `metrics`: the middleware `Metrics`.
//! - `tower`: layers of the crate `tower` around workers (`tower_layer`), and workers below them (`TowerService`).
//! - `testing`: the module `testing`, with `Faults`, which makes calls go wrong, `RoundTrip`, which tells what values of a
//!   service a codec cannot carry, and the conformance suite that a transport, codec or driver of your own is tested with.

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(doctest)]
mod book;

pub use isolated_workers_codec::{
    Cbor, Codec, CodecError, Compressed, CompressedFrames, Delimiter, DelimiterError, FrameError, Framing,
    Json, JsonLines, LengthPrefixed, Pieces, Postcard, SharedPieces, decode_body, decode_within, encode_body,
    zero_copy_bytes,
};
pub use isolated_workers_core::{
    Body, BoxError, Budget, CallError, Crash, Error, ErrorKind, Executed, ExitReason, Extensions, Frame,
    Limits, Message, Metadata, Name, Never, RandomIds, RemoteError, Request, Response, Role, Schema,
    SequentialIds, ServiceError, TxId, TxIdGenerator, protocol,
};
#[cfg(feature = "macros")]
pub use isolated_workers_macros::{main, service};
#[cfg(feature = "metrics")]
pub use isolated_workers_middleware::Metrics;
pub use isolated_workers_middleware::{
    Auth, BoxMiddleware, BoxService, ConcurrencyLimit, Context, Deadline, ForMessage, FromFn, Handler, Hook,
    Layered, Layers, LoadShed, Local, Middleware, MiddlewareFn, Next, NoHook, NoLayers, OnRequest,
    OnRequestAsync, OnResponse, OnResponseAsync, Propagator, RateLimit, Retry, Service, ServiceExt,
    SetMetadata, Stack, Timeout, Trace, TraceContext, TraceWith, Validate, client, for_message, from_fn,
    handler, on_request, on_request_async, on_response, on_response_async,
};
#[cfg(feature = "tower")]
pub use isolated_workers_middleware::{Bottom, TowerLayer, TowerRequest, TowerService, tower_layer};
#[cfg(feature = "testing")]
pub use isolated_workers_runtime::testing;
pub use isolated_workers_runtime::{
    Address, Attach, Attached, Builder, Captured, Detach, Dial, Dispatch, Driver, FromStartupData, Heartbeat,
    Launch, Link, MakeHandler, Map, MapProgress, NoPid, OnCrash, OnTimeout, Output, Pool, PoolBuilder,
    Process, ProcessId, Program, QueueStats, Restart, Running, RunningThread, ScopedPool, Serve, Server,
    Stats, Status, Thread, Timeouts, WhenFull, Worker, WorkerId, WorkerStats, is_worker, serve, serve_with,
};
pub use isolated_workers_transport::{DefaultTransport, InMemory, NamedPipe, Reconnect, Stdio, Transport};
#[cfg(unix)]
pub use isolated_workers_transport::{SocketPair, UnixSocket};

/// What a transport of one's own is made of, and the ends of those in the box.
pub mod transport {
    pub use isolated_workers_transport::{
        Bound, CHANNEL_VARIABLE, Channel, Cleanup, DeferredListener, InMemoryBound, InMemoryReader,
        InMemoryWriter, Incoming, Inheritance, STRAY_DESCRIPTORS_VARIABLE, StdioBound, stray_descriptors,
    };
    #[cfg(windows)]
    pub use isolated_workers_transport::{NamedPipeBound, NamedPipeReader, NamedPipeWriter};
    #[cfg(unix)]
    pub use isolated_workers_transport::{
        NamedPipeBound, PipeReader, PipeWriter, SocketPairBound, SocketReader, SocketWriter, UnixSocketAt,
        UnixSocketBound, WorkerSocket, WorkerSocketBound,
    };
}

/// What nearly every host and worker needs.
pub mod prelude {
    #[cfg(feature = "macros")]
    pub use crate::service;
    pub use crate::{
        CallError, Error, ErrorKind, Pool, Program, Service, ServiceExt, Worker, is_worker, serve, serve_with,
    };
}

/// What generated code needs; no part of the interface.
#[doc(hidden)]
pub mod __private {
    pub mod bytes;

    pub use isolated_workers_codec::zero_copy_bytes::maybe_bytes;
    pub use isolated_workers_runtime::run_worker;
    pub use serde;
}
