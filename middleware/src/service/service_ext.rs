use isolated_workers_codec::zero_copy_bytes::maybe_bytes::MaybeBytesRef;
use isolated_workers_core::{CallError, Error, ErrorKind, Executed, Message, Request, Response};

use super::client;
use super::encoding::{Part, decode, decode_reply, encode};
use crate::{Layered, Middleware, Service};

/// Typed calls, typed access to bodies, and wrapping in middleware, for every [`Service`].
///
/// A request does not know its codec. A middleware reads and writes bodies through the service that
/// it calls:
///
/// ```
/// use isolated_workers_core::{Error, Message, Request, Response};
/// use isolated_workers_middleware::{Middleware, Service, ServiceExt};
/// # use isolated_workers_core::Never;
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Serialize, Deserialize)]
/// # struct Add { a: i64, b: i64 }
/// # impl Message for Add {
/// #     const NAME: &'static str = "add";
/// #     type Reply = i64;
/// #     type Error = Never;
/// # }
///
/// /// Adds in cents and answers in whole units, rounded down.
/// struct Cents;
///
/// impl Middleware for Cents {
///     async fn handle<S: Service>(&self, mut request: Request, next: &S) -> Result<Response, Error> {
///         if !request.is::<Add>() {
///             return next.call(request).await;
///         }
///         let Add { a, b } = next.decode(&request)?;
///         next.replace(&mut request, &Add { a: a * 100, b: b * 100 })?;
///         let mut response = next.call(request).await?;
///         let cents = next.decode_reply::<Add>(&response)?;
///         next.replace_reply::<Add>(&mut response, &(cents / 100))?;
///         Ok(response)
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be called",
    note = "its methods exist for every `Service`: a `Worker`, a `Pool`, `Local::new(handler, codec)`"
)]
pub trait ServiceExt: Service {
    /// Sends a message and waits for its reply. A oneway message completes once it is on its way.
    ///
    /// The message is encoded immediately, and sent when the future is first polled. A large one is
    /// encoded on a blocking thread: see [`client::send`].
    ///
    /// # Errors
    /// [`CallError::Service`] if the handler returned an error, [`CallError::Call`] for any other
    /// failure.
    fn send<M: Message>(
        &self,
        message: M,
    ) -> impl Future<Output = Result<M::Reply, CallError<M::Error>>> + Send {
        client::send(self, message)
    }

    /// Decodes the payload of `request` as the message `M`.
    ///
    /// # Errors
    /// `Decode` if `request` is another message or cannot be decoded, `TooLarge` if it exceeds the
    /// budget of its body.
    fn decode<M: Message>(&self, request: &Request) -> Result<M, Error> {
        check_name::<M>(request)?;
        decode(self.codec(), request)
    }

    /// Replaces the payload of `request`, which must be an `M`.
    ///
    /// # Errors
    /// `Decode` if `request` is another message, `Encode` if `message` cannot be encoded. The
    /// request is unchanged in both cases.
    fn replace<M: Message>(&self, request: &mut Request, message: &M) -> Result<(), Error> {
        check_name::<M>(request)?;
        request.set_body(encode(self.codec(), self.body_limit(), message, Part::Message, M::NAME)?);
        Ok(())
    }

    /// Decodes the payload of `response` as the reply to a message `M`.
    ///
    /// # Errors
    /// `Decode` if it cannot be decoded, `TooLarge` if it exceeds the budget of its body.
    fn decode_reply<M: Message>(&self, response: &Response) -> Result<M::Reply, Error> {
        decode_reply(self.codec(), response, M::NAME)
    }

    /// Replaces the payload of `response`, which answers a message `M`.
    ///
    /// # Errors
    /// `Encode` if `reply` cannot be encoded. The response is unchanged in that case.
    fn replace_reply<M: Message>(&self, response: &mut Response, reply: &M::Reply) -> Result<(), Error> {
        let reply = MaybeBytesRef(reply);
        response.set_body(encode(self.codec(), self.body_limit(), &reply, Part::Reply, M::NAME)?);
        Ok(())
    }

    /// Wraps this service in `middleware`, which sees each request first and its reply last.
    ///
    /// The last middleware that wraps a service is the outermost. Builders have `layer` instead,
    /// where the first layer added is the outermost.
    fn wrapped_by<M: Middleware>(self, middleware: M) -> Layered<M, Self>
    where
        Self: Sized,
    {
        Layered::new(middleware, self)
    }
}

impl<S: Service> ServiceExt for S {}

/// Checks the name and the service of the message, because the bytes of one message may decode as
/// another.
pub(crate) fn check_name<M: Message>(request: &Request) -> Result<(), Error> {
    if request.is::<M>() {
        return Ok(());
    }
    let differ = if request.name() == M::NAME { "services" } else { "names" };
    let text = format!(
        "could not use the request `{}` as the message `{}`: their {differ} differ; check `request.is::<M>()` first",
        request.name(),
        M::NAME
    );
    Err(Error::new(ErrorKind::Decode, text).with_executed(Executed::No))
}
