use isolated_workers_core::{Error, ErrorKind, Request, Schema, Services};
use isolated_workers_middleware::Handler;

/// Services of this side, by which the requests of its peer are checked.
#[derive(Clone, Debug)]
pub(crate) struct OwnServices {
    services: Services,
    /// Service of the requests that name none.
    pub(super) default: &'static Schema,
    /// `true` if this side answers the reserved service.
    describes: bool,
}

/// Static schema of a handler.
struct DefaultOf<H>(std::marker::PhantomData<H>);

impl<H: Handler> DefaultOf<H> {
    const SCHEMA: &'static Schema = &H::SCHEMA;
}

impl OwnServices {
    /// `services`: those of the handler `H`.
    pub(crate) fn of<H: Handler>(services: &Services) -> Self {
        Self { services: services.clone(), default: DefaultOf::<H>::SCHEMA, describes: false }
    }

    /// Sets if this side answers the reserved service. Default: `false`.
    pub(crate) fn describing(self, describes: bool) -> Self {
        Self { describes, ..self }
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
            Some(Services::RESERVED) if self.describes => Ok(()),
            Some(Services::RESERVED) => {
                let remedy = "call `serve(..).describe(true)` in the worker";
                let text = format!(
                    "could not call `{}`: the callee does not describe itself; {remedy}",
                    request.name()
                );
                Err(Error::new(ErrorKind::Unsupported, text))
            }
            Some(name) if self.services.get(name).is_none() => Err(self.services.unknown(request)),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use isolated_workers_codec::Codec;
    use isolated_workers_core::{Body, Name, Response};
    use isolated_workers_middleware::handler;

    use super::*;

    struct Store;

    impl Handler for Store {
        const SCHEMA: Schema = Schema::new("Store", 1);

        fn schemas() -> Vec<Schema> {
            vec![Self::SCHEMA, Schema::new("Journal", 1)]
        }

        async fn handle<C: Codec>(&self, _: &C, request: Request) -> Result<Response, Error> {
            Err(handler::unknown_message(&Self::SCHEMA, &request))
        }
    }

    #[test]
    fn only_a_service_that_is_not_served_is_refused() {
        let own = OwnServices::of::<Store>(&Services::new(Store::schemas()).unwrap());
        assert_eq!(own.default, &Store::SCHEMA);
        let mut request = Request::new(Name::from_static("get"), Body::empty());
        assert!(own.check(&request).is_ok());
        request.metadata_mut().insert("tenant", "a");
        assert!(own.check(&request).is_ok());
        for (name, is_served) in [("Store", true), ("Journal", true), ("", false), ("store", false)] {
            request.metadata_mut().insert("iw-service", name);
            let refused = own.check(&request).map_err(|error| error.kind());
            assert_eq!(refused, if is_served { Ok(()) } else { Err(ErrorKind::UnknownMessage) }, "{name}");
        }
        request.metadata_mut().insert("iw-service", "iw");
        assert_eq!(own.check(&request).map_err(|error| error.kind()), Err(ErrorKind::Unsupported));
        assert!(own.describing(true).check(&request).is_ok());
    }
}
