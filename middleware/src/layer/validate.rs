use std::fmt::{self, Display};
use std::marker::PhantomData;

use isolated_workers_core::{Error, ErrorKind, Message, Request, Response};

use crate::{Middleware, Service, ServiceExt};

/// Checks each message `M` and refuses invalid ones with an error of the kind `Invalid`.
///
/// On the host this happens before anything is sent, on the worker before the handler runs. Other
/// messages are forwarded unchanged.
///
/// ```
/// use isolated_workers_core::Message;
/// use isolated_workers_middleware::Validate;
/// # use isolated_workers_core::Never;
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Serialize, Deserialize)]
/// # struct Resize { width: u32 }
/// # impl Message for Resize {
/// #     const NAME: &'static str = "resize";
/// #     type Reply = ();
/// #     type Error = Never;
/// # }
///
/// let sane = Validate::new(|resize: &Resize| match resize.width {
///     1..=10_000 => Ok(()),
///     width => Err(format!("a width of {width} is not between 1 and 10,000")),
/// });
/// ```
pub struct Validate<M, F> {
    check: F,
    message: PhantomData<fn(M)>,
}

impl<M: Message, E: Display, F: Fn(&M) -> Result<(), E> + Send + Sync + 'static> Validate<M, F> {
    /// Refuses messages for which `check` returns an error. Its text becomes part of the error.
    pub fn new(check: F) -> Self {
        Self { check, message: PhantomData }
    }
}

impl<M: Message, E: Display, F: Fn(&M) -> Result<(), E> + Send + Sync + 'static> Middleware
    for Validate<M, F>
{
    async fn handle<S: Service>(&self, request: Request, next: &S) -> Result<Response, Error> {
        if request.is::<M>() {
            (self.check)(&next.decode(&request)?).map_err(|cause| {
                Error::new(ErrorKind::Invalid, format!("`{}` is invalid: {cause}", M::NAME))
            })?;
        }
        next.call(request).await
    }
}

impl<M: Message, F> fmt::Debug for Validate<M, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Validate").field("message", &M::NAME).finish_non_exhaustive()
    }
}
