//! Service that a host offers to its workers.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use bytes::BytesMut;
use isolated_workers_codec::{BodyLimit, Codec};
use isolated_workers_core::{Error, Limits, RandomIds, Request, Response, Services, TxIdGenerator};
use isolated_workers_middleware::call_chain::CallChain;
use isolated_workers_middleware::router::services_of;
use isolated_workers_middleware::{Handler, Served, Service};
use isolated_workers_transport::Transport;

use crate::connection::{ConnectionTask, HostTask, Link};
use crate::handlers::{Handlers, OwnServices};
use crate::host::settings::HostSettings;

/// Handler that a builder has for the calls of its workers: [`NoCallbacks`], or a [`Handler`] from
/// [`Builder::serve`](crate::Builder::serve).
pub trait HostHandler: Send + 'static {
    #[doc(hidden)]
    fn into_callbacks<C: Codec, T>(self, codec: &C, limits: Limits)
    -> Result<Option<Callbacks<C, T>>, Error>;
}

/// Default of a builder: the host serves nothing, and refuses the calls of its workers.
#[derive(Clone, Copy, Debug)]
pub struct NoCallbacks;

impl HostHandler for NoCallbacks {
    fn into_callbacks<C: Codec, T>(self, _: &C, _: Limits) -> Result<Option<Callbacks<C, T>>, Error> {
        Ok(None)
    }
}

#[diagnostic::do_not_recommend]
impl<H: Handler> HostHandler for H {
    fn into_callbacks<C: Codec, T>(
        self,
        codec: &C,
        limits: Limits,
    ) -> Result<Option<Callbacks<C, T>>, Error> {
        let services = services_of::<H>()?;
        let id: Arc<str> = RandomIds.next_id().to_string().into();
        let served = Served::new(self, codec.clone(), codec.body_limit(limits));
        let service = Arc::new(Chained { served, id: Arc::clone(&id) });
        let own_services = OwnServices::of::<H>(&services);
        Ok(Some(Callbacks { id, services, own_services, service }))
    }
}

/// Service that a host offers to the workers of one builder.
#[doc(hidden)]
pub struct Callbacks<C, T> {
    /// Id of the worker or pool in the chains of its callbacks.
    pub(crate) id: Arc<str>,
    pub(crate) services: Services,
    own_services: OwnServices,
    service: Arc<dyn OpenTask<C, T>>,
}

impl<C, T> fmt::Debug for Callbacks<C, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Callbacks")
            .field("id", &self.id)
            .field("services", &self.services)
            .finish_non_exhaustive()
    }
}

impl<C: Codec, T: Transport> Callbacks<C, T> {
    /// Creates the task of a connection to the worker with the process id `peer`. `buffer` holds
    /// the bytes received after the handshake.
    pub(super) fn open(
        &self,
        link: Link<C>,
        settings: &HostSettings,
        reader: T::Reader,
        buffer: BytesMut,
        peer: Option<u32>,
    ) -> Pin<Box<dyn HostTask<C>>> {
        let services = self.own_services.clone();
        Arc::clone(&self.service).open(link, settings, reader, buffer, services, peer)
    }
}

/// Service whose type is erased, and that can serve a connection.
///
/// The bounds are on the method, so that the types of a worker need none.
trait OpenTask<C, T>: Send + Sync {
    fn open(
        self: Arc<Self>,
        link: Link<C>,
        settings: &HostSettings,
        reader: T::Reader,
        buffer: BytesMut,
        services: OwnServices,
        peer: Option<u32>,
    ) -> Pin<Box<dyn HostTask<C>>>
    where
        C: Codec,
        T: Transport;
}

impl<S: Service + 'static, T> OpenTask<S::Codec, T> for S {
    fn open(
        self: Arc<Self>,
        link: Link<S::Codec>,
        settings: &HostSettings,
        reader: T::Reader,
        buffer: BytesMut,
        services: OwnServices,
        peer: Option<u32>,
    ) -> Pin<Box<dyn HostTask<S::Codec>>>
    where
        T: Transport,
    {
        let handlers = Handlers::<_, false>::new(self, services, peer, false);
        let task = ConnectionTask::new(link, settings.limits, reader, buffer, handlers);
        Box::pin(task.with_latency(settings.latency))
    }
}

/// Handler whose calls belong to the chain of the callback that it answers.
struct Chained<H, C> {
    served: Served<H, C>,
    id: Arc<str>,
}

impl<H: Handler, C: Codec> Service for Chained<H, C> {
    type Codec = C;
    const CATCHES_PANICS: bool = true;

    fn codec(&self) -> &C {
        self.served.codec()
    }

    fn body_limit(&self) -> BodyLimit {
        self.served.body_limit()
    }

    async fn call(&self, request: Request) -> Result<Response, Error> {
        let chain = CallChain::of(&request, &self.id)?;
        let items_chain = request.streams().from_callee.then(|| chain.clone());
        let mut response = chain.scope(self.served.call(request)).await?;
        if let Some(chain) = items_chain {
            response.change_items(|items| chain.scope_items(items));
        }
        Ok(response)
    }
}
