use std::fmt;
use std::marker::PhantomData;

use isolated_workers_core::{Error, Message, Request, Response};

use crate::{Middleware, Service, ServiceExt};

/// Creates a typed middleware for one message. Its closures read and change the message `M` and its
/// reply, whatever the codec.
///
/// Other messages are forwarded unchanged, at the cost of comparing names. So are messages of the
/// same name of another service, if [`Message::SERVICE`] names one.
///
/// Each direction with a closure decodes and encodes its payload once more. A direction without one
/// costs nothing. To check a message without changing it, use [`Validate`](crate::Validate), which
/// does not encode.
///
/// ```
/// use isolated_workers_core::{Error, Message};
/// use isolated_workers_middleware::for_message;
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
/// let bounded = for_message::<Add>()
///     .on_request(|add: &mut Add| {
///         add.a = add.a.min(1000);
///         Ok(())
///     })
///     .on_reply(|sum: &mut i64| {
///         *sum = (*sum).max(0);
///         Ok(())
///     });
/// ```
pub fn for_message<M: Message>() -> ForMessage<M> {
    ForMessage { request: NoHook, reply: NoHook, message: PhantomData }
}

/// Middleware for one message, created by [`for_message`].
pub struct ForMessage<M, F = NoHook, G = NoHook> {
    request: F,
    reply: G,
    message: PhantomData<fn(M)>,
}

impl<M: Message, F, G> ForMessage<M, F, G> {
    /// Runs `hook` on the message before the call. If `hook` fails, its error is the answer to the
    /// call.
    pub fn on_request<H>(self, hook: H) -> ForMessage<M, H, G>
    where
        H: Fn(&mut M) -> Result<(), Error> + Send + Sync + 'static,
    {
        ForMessage { request: hook, reply: self.reply, message: PhantomData }
    }

    /// Runs `hook` on the reply if the call succeeded. If `hook` fails, its error is the answer to
    /// the call.
    pub fn on_reply<H>(self, hook: H) -> ForMessage<M, F, H>
    where
        H: Fn(&mut M::Reply) -> Result<(), Error> + Send + Sync + 'static,
    {
        ForMessage { request: self.request, reply: hook, message: PhantomData }
    }
}

impl<M: Message, F: Hook<M>, G: Hook<M::Reply>> Middleware for ForMessage<M, F, G> {
    async fn handle<S: Service>(&self, mut request: Request, next: &S) -> Result<Response, Error> {
        if !request.is::<M>() {
            return next.call(request).await;
        }
        if F::LOOKS {
            let mut message = next.decode::<M>(&request)?;
            self.request.run(&mut message)?;
            next.replace(&mut request, &message)?;
        }
        let mut response = next.call(request).await?;
        if G::LOOKS {
            let mut reply = next.decode_reply::<M>(&response)?;
            self.reply.run(&mut reply)?;
            next.replace_reply::<M>(&mut response, &reply)?;
        }
        Ok(response)
    }
}

/// Closure that reads or changes a message or a reply, or [`NoHook`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot look at a `{T}`",
    note = "it takes a closure `|value: &mut {T}| -> Result<(), Error> {{ .. }}`"
)]
pub trait Hook<T>: Send + Sync + 'static {
    /// `true` if the hook reads the value. If `false`, nothing is decoded.
    const LOOKS: bool;

    /// Reads the value, and may change it.
    ///
    /// # Errors
    /// Returns the error of the closure.
    fn run(&self, value: &mut T) -> Result<(), Error>;
}

#[diagnostic::do_not_recommend]
impl<T, F: Fn(&mut T) -> Result<(), Error> + Send + Sync + 'static> Hook<T> for F {
    const LOOKS: bool = true;

    fn run(&self, value: &mut T) -> Result<(), Error> {
        self(value)
    }
}

/// Absence of a hook for one direction.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoHook;

impl<T> Hook<T> for NoHook {
    const LOOKS: bool = false;

    fn run(&self, _: &mut T) -> Result<(), Error> {
        Ok(())
    }
}

impl<M: Message, F, G> fmt::Debug for ForMessage<M, F, G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ForMessage").field("message", &M::NAME).finish_non_exhaustive()
    }
}
