mod erased_service;

use std::fmt;

use isolated_workers_codec::CodecError;
use isolated_workers_codec::zero_copy_bytes::maybe_bytes::MaybeBytesRef;
use isolated_workers_core::{Body, Error, Executed, Message, Request, Response, Role};

pub(crate) use self::erased_service::ErasedService;
use self::erased_service::{ReadFn, read, read_reply};
use crate::service::{Part, check_name, undecodable};

/// Rest of the stack, as passed to the function of [`from_fn`](crate::from_fn).
///
/// Its methods read and write bodies like those of [`ServiceExt`](crate::ServiceExt), but resolve
/// the codec at run time. Reading allocates one box, writing none.
///
/// ```
/// use isolated_workers_core::{Error, Message, Request};
/// use isolated_workers_middleware::{Next, from_fn};
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
/// let swap = from_fn(async |mut request: Request, next: Next<'_>| {
///     if request.is::<Add>() {
///         let Add { a, b } = next.decode(&request)?;
///         next.replace(&mut request, &Add { a: b, b: a })?;
///     }
///     next.call(request).await
/// });
/// ```
pub struct Next<'a>(&'a dyn ErasedService);

impl<'a> Next<'a> {
    pub(crate) fn new(service: &'a dyn ErasedService) -> Self {
        Self(service)
    }

    /// Forwards the request. May be called again with another request.
    ///
    /// # Errors
    /// Returns the error of the rest of the stack.
    pub async fn call(&self, request: Request) -> Result<Response, Error> {
        self.0.call(request).await
    }

    /// Decodes the payload of `request` as the message `M`.
    ///
    /// # Errors
    /// `Decode` if `request` is another message or cannot be decoded, `TooLarge` if it exceeds the
    /// budget of its body.
    pub fn decode<M: Message>(&self, request: &Request) -> Result<M, Error> {
        check_name::<M>(request)?;
        let what = || format!("could not decode `{}`", M::NAME);
        self.value(request.body(), read::<M>, what, request.role())
            .map_err(|error| error.with_executed(Executed::No))
    }

    /// Replaces the payload of `request`, which must be an `M`.
    ///
    /// # Errors
    /// `Decode` if `request` is another message, `Encode` if `message` cannot be encoded. The
    /// request is unchanged in both cases.
    pub fn replace<M: Message>(&self, request: &mut Request, message: &M) -> Result<(), Error> {
        check_name::<M>(request)?;
        request.set_body(self.0.encode(message, Part::Message, M::NAME)?);
        Ok(())
    }

    /// Decodes the payload of `response` as the reply to a message `M`.
    ///
    /// # Errors
    /// `Decode` if it cannot be decoded, `TooLarge` if it exceeds the budget of its body.
    pub fn decode_reply<M: Message>(&self, response: &Response) -> Result<M::Reply, Error> {
        let what = || format!("could not decode the reply to `{}`", M::NAME);
        self.value(response.body(), read_reply::<M::Reply>, what, Role::Caller)
            .map_err(|error| error.with_executed(Executed::Yes))
    }

    /// Replaces the payload of `response`, which answers a message `M`.
    ///
    /// # Errors
    /// `Encode` if `reply` cannot be encoded. The response is unchanged in that case.
    pub fn replace_reply<M: Message>(&self, response: &mut Response, reply: &M::Reply) -> Result<(), Error> {
        response.set_body(self.0.encode(&MaybeBytesRef(reply), Part::Reply, M::NAME)?);
        Ok(())
    }

    /// Decodes a value. `side` is the side whose limits apply.
    fn value<T: 'static>(
        &self,
        body: &Body,
        read: ReadFn,
        what: impl Fn() -> String,
        side: Role,
    ) -> Result<T, Error> {
        let value = self.0.decode(body, read).and_then(|value| {
            let other = |_| CodecError::new("the codec decoded a value of another type");
            value.downcast().map_err(other)
        });
        value.map(|value| *value).map_err(|error| {
            let attempt =
                format!("{} as {} from {}", what(), std::any::type_name::<T>(), self.0.codec_name());
            undecodable(attempt, error, side)
        })
    }
}

impl fmt::Debug for Next<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Next")
    }
}
