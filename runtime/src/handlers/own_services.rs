use isolated_workers_core::{Error, Request, Schema, Services};
use isolated_workers_middleware::Handler;

/// Services of this side, by which the requests of its peer are checked.
#[derive(Clone, Debug)]
pub(crate) struct OwnServices {
    services: Services,
    default: &'static Schema,
    has_several: bool,
}

/// Static schema of a handler.
struct DefaultOf<H>(std::marker::PhantomData<H>);

impl<H: Handler> DefaultOf<H> {
    const SCHEMA: &'static Schema = &H::SCHEMA;
}

impl OwnServices {
    /// `services`: those of the handler `H`.
    pub(crate) fn of<H: Handler>(services: &Services) -> Self {
        Self { services: services.clone(), default: DefaultOf::<H>::SCHEMA, has_several: services.len() > 1 }
    }

    /// Checks the service that a request of the peer names. If it names none, and there are several, sets
    /// the default one, so that layers can tell apart messages of the same name.
    ///
    /// # Errors
    /// `UnknownMessage` if this side does not serve it.
    #[inline]
    pub(super) fn check(&self, request: &mut Request) -> Result<(), Error> {
        if self.has_several | !request.metadata().is_empty() { self.look_up(request) } else { Ok(()) }
    }

    #[cold]
    fn look_up(&self, request: &mut Request) -> Result<(), Error> {
        match request.named_service() {
            Some(name) if self.services.get(name).is_none() => Err(self.services.unknown(request)),
            Some(_) => Ok(()),
            None => {
                if self.has_several {
                    request.set_local_service(self.default);
                }
                Ok(())
            }
        }
    }
}
