use std::sync::Arc;

use isolated_workers_codec::Codec;
use isolated_workers_core::{CallError, Error, Message, Request, Response};

use crate::handler::{decode_error, decode_reply, encode};
use crate::{Layered, Middleware};

/// Anything that can be called: the connection to a worker, a handler in this process, either with middleware
/// around it.
///
/// Calls may run at the same time; each future is driven by its caller. Dropping it gives the call up.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be called",
    note = "a `Worker` can, `Local::new(handler, codec)` makes a service of a handler, and a reference or an `Arc` of a service is one"
)]
pub trait Service: Send + Sync {
    /// What bodies on this path are encoded with.
    type Codec: Codec;

    /// The codec, for those who read or write bodies.
    fn codec(&self) -> &Self::Codec;

    /// Carries the request out.
    ///
    /// # Errors
    /// What kept the call from its answer, or the error that it was answered with.
    fn call(&self, request: Request) -> impl Future<Output = Result<Response, Error>> + Send;
}

impl<S: Service> Service for &S {
    type Codec = S::Codec;

    fn codec(&self) -> &Self::Codec {
        (**self).codec()
    }

    fn call(&self, request: Request) -> impl Future<Output = Result<Response, Error>> + Send {
        (**self).call(request)
    }
}

impl<S: Service> Service for Arc<S> {
    type Codec = S::Codec;

    fn codec(&self) -> &Self::Codec {
        (**self).codec()
    }

    fn call(&self, request: Request) -> impl Future<Output = Result<Response, Error>> + Send {
        (**self).call(request)
    }
}

/// What every service can do.
pub trait ServiceExt: Service {
    /// Sends a message and waits for its reply; for a oneway message, until it is on its way.
    ///
    /// This is what a generated client calls.
    ///
    /// # Errors
    /// [`CallError::Service`] is the handler's own error, [`CallError::Call`] all that kept it from answering.
    fn send<M: Message>(
        &self,
        message: &M,
    ) -> impl Future<Output = Result<M::Reply, CallError<M::Error>>> + Send {
        // Encoded before the first await, so that the future does not hold the message.
        let request = encode(self.codec(), message, "message", M::NAME).map(Request::of::<M>);
        async move {
            match self.call(request?).await {
                Ok(response) => Ok(decode_reply::<M, _>(self.codec(), &response)?),
                Err(error) => Err(decode_error::<M, _>(self.codec(), error)),
            }
        }
    }

    /// This service with a middleware around it, which sees each request first and its reply last.
    fn layer<M: Middleware>(self, middleware: M) -> Layered<M, Self>
    where
        Self: Sized,
    {
        Layered::new(middleware, self)
    }
}

impl<S: Service> ServiceExt for S {}
