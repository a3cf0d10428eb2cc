//! Several services behind one handler.

use std::fmt;
use std::future::ready;
use std::pin::Pin;
use std::task::{Context, Poll};

use isolated_workers_codec::Codec;
use isolated_workers_core::{
    Error, ErrorKind, InvalidServices, Request, Response, Schema, ServiceInfo, Services,
};
use pin_project_lite::pin_project;

use super::Handler;

/// Handler of several services, on a worker or on a host. It passes each request to the handler of
/// the request's service, so that two services may have messages of the same name.
///
/// ```
/// # use isolated_workers_codec::{Codec, Json};
/// # use isolated_workers_core::{Error, Request, Response, Schema};
/// # use isolated_workers_middleware::{Handler, Local, Router, handler};
/// # struct Store;
/// # struct Journal;
/// # impl Handler for Store {
/// #     const SCHEMA: Schema = Schema::new("Store", 1);
/// #     async fn handle<C: Codec>(&self, _: &C, request: Request) -> Result<Response, Error> {
/// #         Err(handler::unknown_message(&Self::SCHEMA, &request))
/// #     }
/// # }
/// # impl Handler for Journal {
/// #     const SCHEMA: Schema = Schema::new("Journal", 1);
/// #     async fn handle<C: Codec>(&self, _: &C, request: Request) -> Result<Response, Error> {
/// #         Err(handler::unknown_message(&Self::SCHEMA, &request))
/// #     }
/// # }
/// let router = Router::new().add(Store).add(Journal);
/// # let _service = Local::new(router, Json);
/// ```
///
/// The first handler is the default: it gets the requests that name no service, such as those of a
/// peer in another language.
///
/// At most 64 services, each with a name of its own. Serving a router that holds others fails with
/// a `Config` error, and so does each of its calls through [`Local`](crate::Local).
pub struct Router<R> {
    routes: R,
    /// Services of all handlers, the default first.
    services: Result<Services, InvalidServices>,
    /// Index of the handler of each service.
    targets: Vec<usize>,
}

/// Handlers of a [`Router`]: [`First`], or [`And`] another one.
pub trait Routes: Send + Sync + 'static {
    /// Number of handlers.
    const COUNT: usize;
    /// Schema of the default service.
    const DEFAULT: Schema;

    /// Appends the services of all handlers, and the index of the handler of each.
    #[doc(hidden)]
    fn append_services(services: &mut Vec<(Schema, usize)>);

    /// Appends the descriptions of the services of all handlers, in the same order.
    #[doc(hidden)]
    fn append_infos(infos: &mut Vec<ServiceInfo>);

    /// Passes the request to the handler with the index `target`.
    #[doc(hidden)]
    fn route<C: Codec>(
        &self,
        target: usize,
        codec: &C,
        request: Request,
    ) -> impl Future<Output = Result<Response, Error>> + Send;
}

/// No handlers.
#[derive(Clone, Copy, Debug)]
pub struct Empty;

/// First handler of a [`Router`].
#[derive(Clone, Copy, Debug)]
pub struct First<H>(H);

/// Handlers of a [`Router`], and another one.
#[derive(Clone, Copy, Debug)]
pub struct And<R, H>(R, H);

impl Router<Empty> {
    /// Creates a router without services.
    #[expect(clippy::new_without_default, reason = "a router without services cannot be served")]
    pub fn new() -> Self {
        Self { routes: Empty, services: Ok(Services::default()), targets: Vec::new() }
    }

    /// Adds the handler of the default service.
    #[expect(clippy::should_implement_trait, reason = "a chain of `add` has no operator")]
    pub fn add<H: Handler>(self, handler: H) -> Router<First<H>> {
        Router::with(First(handler))
    }
}

impl<R: Routes> Router<R> {
    fn with(routes: R) -> Self {
        let mut services = Vec::new();
        R::append_services(&mut services);
        let (schemas, targets) = services.into_iter().unzip();
        Self { routes, services: Services::new(schemas), targets }
    }

    /// Adds the handler of another service.
    #[expect(clippy::should_implement_trait, reason = "a chain of `add` has no operator")]
    pub fn add<H: Handler>(self, handler: H) -> Router<And<R, H>> {
        Router::with(And(self.routes, handler))
    }

    /// Returns the index of the handler of a request.
    fn target(&self, request: &Request) -> Result<usize, Error> {
        let services = self.services.as_ref().map_err(invalid)?;
        let Some(name) = request.service() else { return Ok(0) };
        let mut schemas = services.as_slice().iter();
        let index = schemas.position(|schema| schema.service() == name);
        index.map(|index| self.targets[index]).ok_or_else(|| services.unknown(request))
    }
}

#[diagnostic::do_not_recommend]
impl<R: Routes> Handler for Router<R> {
    const SCHEMA: Schema = R::DEFAULT;

    fn schemas() -> Vec<Schema> {
        let mut services = Vec::new();
        R::append_services(&mut services);
        services.into_iter().map(|(schema, _)| schema).collect()
    }

    fn infos() -> Vec<ServiceInfo> {
        let mut infos = Vec::new();
        R::append_infos(&mut infos);
        infos
    }

    fn handle<C: Codec>(
        &self,
        codec: &C,
        request: Request,
    ) -> impl Future<Output = Result<Response, Error>> + Send {
        match self.target(&request) {
            Ok(target) => Either::Left { future: self.routes.route(target, codec, request) },
            Err(error) => Either::Right { future: ready(Err(error)) },
        }
    }
}

impl<H: Handler> Routes for First<H> {
    const COUNT: usize = 1;
    const DEFAULT: Schema = H::SCHEMA;

    fn append_services(services: &mut Vec<(Schema, usize)>) {
        services.extend(H::schemas().into_iter().map(|schema| (schema, 0)));
    }

    fn append_infos(infos: &mut Vec<ServiceInfo>) {
        infos.extend(H::infos());
    }

    fn route<C: Codec>(
        &self,
        _: usize,
        codec: &C,
        request: Request,
    ) -> impl Future<Output = Result<Response, Error>> + Send {
        self.0.handle(codec, request)
    }
}

impl<R: Routes, H: Handler> Routes for And<R, H> {
    const COUNT: usize = R::COUNT + 1;
    const DEFAULT: Schema = R::DEFAULT;

    fn append_services(services: &mut Vec<(Schema, usize)>) {
        R::append_services(services);
        services.extend(H::schemas().into_iter().map(|schema| (schema, R::COUNT)));
    }

    fn append_infos(infos: &mut Vec<ServiceInfo>) {
        R::append_infos(infos);
        infos.extend(H::infos());
    }

    fn route<C: Codec>(
        &self,
        target: usize,
        codec: &C,
        request: Request,
    ) -> impl Future<Output = Result<Response, Error>> + Send {
        if target == R::COUNT {
            Either::Left { future: self.1.handle(codec, request) }
        } else {
            Either::Right { future: self.0.route(target, codec, request) }
        }
    }
}

pin_project! {
    /// One of two futures. It is as large as the larger one, and moves neither.
    #[project = EitherProj]
    enum Either<A, B> {
        Left {
            #[pin]
            future: A,
        },
        Right {
            #[pin]
            future: B,
        },
    }
}

impl<T, A: Future<Output = T>, B: Future<Output = T>> Future for Either<A, B> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        match self.project() {
            EitherProj::Left { future } => future.poll(cx),
            EitherProj::Right { future } => future.poll(cx),
        }
    }
}

impl<R> fmt::Debug for Router<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Router").field("services", &self.services).finish_non_exhaustive()
    }
}

/// Services of a handler, the default first.
///
/// # Errors
/// `Config` if they cannot be served together.
#[doc(hidden)]
pub fn services_of<H: Handler>() -> Result<Services, Error> {
    Services::new(H::schemas()).map_err(|cause| invalid(&cause))
}

#[cold]
fn invalid(cause: &InvalidServices) -> Error {
    if *cause == InvalidServices::Reserved {
        let text = format!("could not serve a service: {cause}; rename its trait");
        return Error::new(ErrorKind::Config, text);
    }
    let remedy = "give each service of the `Router` a name of its own, and move some to another worker if there are too many";
    Error::new(ErrorKind::Config, format!("could not serve several services: {cause}; {remedy}"))
}
