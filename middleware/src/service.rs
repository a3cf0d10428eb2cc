//! Services, handlers and clients.

mod answer;
#[doc(hidden)]
#[allow(missing_docs)]
pub mod arguments;
mod blocking;
mod box_service;
#[doc(hidden)]
pub mod call_chain;
pub mod client;
mod context;
mod encode_buffer;
mod encoding;
pub mod handler;
mod host_service;
mod large_value;
mod limited_codec;
mod local;
pub mod router;
mod service_ext;
pub mod streaming;
mod until_end;

use std::sync::Arc;

use isolated_workers_codec::{BodyLimit, Codec};
use isolated_workers_core::{Error, Request, Response};

pub use self::box_service::BoxService;
pub(crate) use self::box_service::{BoxFuture, DynService};
pub use self::context::Context;
pub(crate) use self::encoding::{Part, encode, undecodable};
pub use self::handler::Handler;
pub use self::host_service::HostService;
#[doc(hidden)]
pub use self::limited_codec::LimitedCodec;
pub use self::local::Local;
#[doc(hidden)]
pub use self::local::Served;
pub use self::router::Router;
pub use self::service_ext::ServiceExt;
pub(crate) use self::service_ext::check_name;

/// Anything that can be called: the connection to a worker, a handler in this process, or either of
/// them wrapped in middleware.
///
/// Calls may run concurrently. The caller of each call polls its future. Dropping the future
/// cancels the call.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be called",
    note = "a `Worker`, a `Pool`, and a reference or an `Arc` of a service are services; `Local::new(handler, codec)` makes one of a handler"
)]
pub trait Service: Send + Sync {
    /// Codec of the bodies on this path.
    type Codec: Codec;

    /// `true` if a panic during a call becomes an error, so that outer services need not catch it.
    /// Default: `false`.
    const CATCHES_PANICS: bool = false;

    /// Returns the codec, for code that reads or writes bodies.
    fn codec(&self) -> &Self::Codec;

    /// Returns the size at which encoding a body for this path stops. Default:
    /// [`BodyLimit::NONE`]. A service that wraps another forwards this method.
    fn body_limit(&self) -> BodyLimit {
        BodyLimit::NONE
    }

    /// Sends the request and returns its response.
    ///
    /// # Errors
    /// Fails if the call failed, or if the callee answered with an error.
    fn call(&self, request: Request) -> impl Future<Output = Result<Response, Error>> + Send;
}

impl<S: Service> Service for &S {
    type Codec = S::Codec;
    const CATCHES_PANICS: bool = S::CATCHES_PANICS;

    fn codec(&self) -> &Self::Codec {
        (**self).codec()
    }

    fn body_limit(&self) -> BodyLimit {
        (**self).body_limit()
    }

    fn call(&self, request: Request) -> impl Future<Output = Result<Response, Error>> + Send {
        (**self).call(request)
    }
}

impl<S: Service> Service for Arc<S> {
    type Codec = S::Codec;
    const CATCHES_PANICS: bool = S::CATCHES_PANICS;

    fn codec(&self) -> &Self::Codec {
        (**self).codec()
    }

    fn body_limit(&self) -> BodyLimit {
        (**self).body_limit()
    }

    fn call(&self, request: Request) -> impl Future<Output = Result<Response, Error>> + Send {
        (**self).call(request)
    }
}
