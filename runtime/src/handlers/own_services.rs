use isolated_workers_core::{Error, Request, Schema, Services};
use isolated_workers_middleware::Handler;

/// Services of this side, by which the requests of its peer are checked.
#[derive(Clone, Debug)]
pub(crate) struct OwnServices {
    services: Services,
    /// Service of the requests that name none.
    pub(super) default: &'static Schema,
}

/// Static schema of a handler.
struct DefaultOf<H>(std::marker::PhantomData<H>);

impl<H: Handler> DefaultOf<H> {
    const SCHEMA: &'static Schema = &H::SCHEMA;
}

impl OwnServices {
    /// `services`: those of the handler `H`.
    pub(crate) fn of<H: Handler>(services: &Services) -> Self {
        Self { services: services.clone(), default: DefaultOf::<H>::SCHEMA }
    }

    /// Checks the service that a request of the peer names.
    ///
    /// # Errors
    /// `UnknownMessage` if this side does not serve it.
    #[inline]
    pub(super) fn check(&self, request: &Request) -> Result<(), Error> {
        if request.metadata().is_empty() { Ok(()) } else { self.look_up(request) }
    }

    #[cold]
    fn look_up(&self, request: &Request) -> Result<(), Error> {
        match request.named_service() {
            Some(name) if self.services.get(name).is_none() => Err(self.services.unknown(request)),
            _ => Ok(()),
        }
    }
}
