//! Run code in another process as if it were an async function: typed, isolated, fast.
pub use isolated_workers_codec::{
    Codec, CodecError, FrameError, Framing, Json, JsonLines, LengthPrefixed, Postcard,
};
pub use isolated_workers_core::{
    Body, BoxError, CallError, Crash, Error, ErrorKind, Executed, ExitReason, Failure, Frame, Limits,
    Message, Metadata, Name, Never, RemoteError, Request, Response, Schema, Sequential, Side, TxId,
    TxIdGenerator, Uuid, protocol,
};
#[cfg(feature = "macros")]
pub use isolated_workers_macros::{main, service};
pub use isolated_workers_middleware::{
    FromFn, Handler, Layered, Layers, Local, Middleware, MiddlewareFn, Next, NoLayers, Service, ServiceExt,
    Stack, Trace, from_fn, handler,
};
pub use isolated_workers_runtime::{Builder, Link, Program, Serve, Timeouts, Worker, is_worker, serve};
pub use isolated_workers_transport::{Bound, Channel, Inheritance, Transport, UnixSocket};

/// What nearly every user needs.
pub mod prelude {
    #[cfg(feature = "macros")]
    pub use crate::service;
    pub use crate::{CallError, Error, ErrorKind, Program, Service, ServiceExt, Worker, is_worker, serve};
}

/// What generated code needs; no part of the interface.
#[doc(hidden)]
pub mod __private {
    pub use isolated_workers_runtime::run_worker;
    pub use serde;
}
