use isolated_workers_core::{Error, ErrorKind, Request, Schema, Services};

/// Stands for "no service yet" in [`PeerServices::checked`]: no message belongs to it.
static NONE: Schema = Schema::new("", 0);

/// Services of the peer of a connection, and the addressing of requests to them.
pub(super) struct PeerServices {
    services: Services,
    /// Service of a message whose requests need no address. Messages of a service share one static
    /// schema, so that the check costs a comparison of pointers.
    checked: &'static Schema,
    /// `true` if the peer answers the reserved service.
    describes: bool,
}

impl PeerServices {
    /// `describes`: `true` if the peer answers the reserved service.
    pub(super) fn new(services: Services, describes: bool) -> Self {
        Self { services, checked: &NONE, describes }
    }

    /// Writes the service of `request` to its metadata, if the peer serves several and it is not
    /// the default.
    ///
    /// # Errors
    /// `UnknownMessage` if the peer does not serve it, `Unsupported` if it is the reserved service.
    #[inline]
    pub(super) fn address(&mut self, request: &mut Request) -> Result<(), Error> {
        match request.local_service() {
            Some(service) if std::ptr::eq(service, self.checked) => Ok(()),
            service => self.look_up(request, service),
        }
    }

    #[cold]
    fn look_up(&mut self, request: &mut Request, of_message: Option<&'static Schema>) -> Result<(), Error> {
        if request.service() == Some(Services::RESERVED) {
            return self.address_reserved(request);
        }
        let (Some(name), Some(default)) = (request.service(), self.services.default_service()) else {
            // The peer has announced nothing, or the request names no service.
            self.checked = of_message.unwrap_or(self.checked);
            return Ok(());
        };
        if name == default.service() {
            if request.named_service().is_some() {
                request.unname_service();
            } else {
                self.checked = of_message.unwrap_or(self.checked);
            }
            return Ok(());
        }
        if self.services.get(name).is_none() {
            return Err(self.services.unknown(request).of_call());
        }
        request.name_service();
        Ok(())
    }

    /// Addresses a request for the reserved service. It always names its service, because no peer
    /// has it as the default.
    fn address_reserved(&self, request: &mut Request) -> Result<(), Error> {
        if self.describes {
            request.name_service();
            return Ok(());
        }
        let remedy = "call `serve(..).describe(true)` in the worker, or build it in debug mode";
        let text =
            format!("could not call `{}`: the worker does not describe itself; {remedy}", request.name());
        Err(Error::new(ErrorKind::Unsupported, text))
    }

    /// Makes a request that was not sent keep its service, although its connection has ended:
    /// without a name it was for the default of this peer, and the next peer may have another one.
    pub(super) fn keep(&self, mut request: Request) -> Request {
        if let (None, Some(default)) = (request.service(), self.services.default_service()) {
            request.set_service(default.service());
        }
        request
    }
}

#[cfg(test)]
mod tests {
    use isolated_workers_core::{Body, ErrorKind, Executed, Message, Name, Never};

    use super::*;

    macro_rules! message {
        ($name:ident, $service:ident) => {
            #[derive(serde::Serialize, serde::Deserialize)]
            struct $name;

            impl Message for $name {
                const NAME: &'static str = "get";
                type Reply = ();
                type Error = Never;
                const SERVICE: Option<&'static Schema> = Some(&$service);
            }
        };
    }

    static STORE: Schema = Schema::new("Store", 1);
    static JOURNAL: Schema = Schema::new("Journal", 1);
    message!(StoreGet, STORE);
    message!(JournalGet, JOURNAL);

    fn peer(names: &[&'static str]) -> PeerServices {
        let schemas = names.iter().map(|name| Schema::new(name, 1)).collect();
        PeerServices::new(Services::new(schemas).unwrap(), false)
    }

    /// Name of the service that is sent with a message, each of two times.
    fn sent<M: Message>(peer: &mut PeerServices) -> Result<Option<String>, Error> {
        let mut once = || {
            let mut request = Request::of::<M>(Body::empty());
            peer.address(&mut request)?;
            Ok(request.named_service().map(str::to_owned))
        };
        let first: Result<Option<String>, Error> = once();
        assert_eq!(first.as_ref().ok(), once().as_ref().ok());
        first
    }

    #[test]
    fn only_a_service_that_is_not_the_default_is_sent() {
        let peer = &mut peer(&["Store", "Journal"]);
        for _ in 0..2 {
            assert_eq!(sent::<StoreGet>(peer).unwrap(), None);
            assert_eq!(sent::<JournalGet>(peer).unwrap().as_deref(), Some("Journal"));
        }
    }

    #[test]
    fn the_reserved_service_is_always_named_and_needs_its_feature() {
        static RESERVED: Schema = Schema::new("iw", 1);
        message!(Describe, RESERVED);
        for names in [&[][..], &["Store"], &["Store", "Journal"]] {
            let error = sent::<Describe>(&mut peer(names)).unwrap_err();
            assert_eq!((error.kind(), error.executed()), (ErrorKind::Unsupported, Executed::No));
            let peer = &mut PeerServices { describes: true, ..peer(names) };
            assert_eq!(sent::<Describe>(peer).unwrap().as_deref(), Some("iw"));
        }
    }

    #[test]
    fn a_peer_that_has_announced_nothing_gets_every_request() {
        let peer = &mut peer(&[]);
        assert_eq!(sent::<StoreGet>(peer).unwrap(), None);
        assert_eq!(sent::<JournalGet>(peer).unwrap(), None);
    }

    #[test]
    fn a_service_that_the_peer_lacks_is_refused() {
        for names in [&["Store"][..], &["Store", "Notes"]] {
            let peer = &mut peer(names);
            assert_eq!(sent::<StoreGet>(peer).unwrap(), None);
            let error = sent::<JournalGet>(peer).unwrap_err();
            assert_eq!((error.kind(), error.executed()), (ErrorKind::UnknownMessage, Executed::No));
            assert!(error.to_string().contains("`Journal`: the callee serves `Store`"), "{error}");
        }
    }

    #[test]
    fn a_service_that_the_caller_has_named_is_checked_too() {
        let peer = &mut peer(&["Store", "Journal"]);
        for (name, expected) in [("Store", Ok(None)), ("Journal", Ok(Some("Journal"))), ("Notes", Err(()))] {
            let mut request = Request::of::<StoreGet>(Body::empty());
            request.set_service(name);
            let addressed = peer.address(&mut request);
            assert_eq!(addressed.map(|()| request.named_service()).map_err(|_| ()), expected, "{name}");
        }
    }

    #[test]
    fn an_unsent_request_keeps_its_service() {
        let unsent = || Request::new(Name::from_static("get"), Body::empty());
        let kept = peer(&["Store", "Journal"]).keep(unsent());
        assert_eq!(kept.service(), Some("Store"));
        for (names, expected) in
            [(&["Journal", "Store"][..], Ok(Some("Store"))), (&["Store"], Ok(None)), (&["Journal"], Err(()))]
        {
            let mut request = kept.clone();
            let addressed = peer(names).address(&mut request);
            assert_eq!(addressed.map(|()| request.named_service()).map_err(|_| ()), expected, "{names:?}");
        }
        assert_eq!(peer(&[]).keep(unsent()).service(), None);
    }
}
