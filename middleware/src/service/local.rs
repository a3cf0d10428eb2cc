use std::any::Any;
use std::fmt;
use std::sync::Arc;

use isolated_workers_codec::{BodyLimit, Codec};
use isolated_workers_core::{Error, ErrorKind, Name, Request, Response, Services};

use super::limited_codec::LimitedCodec;
use crate::support::guard::{Guard, Guarded};
use crate::support::guarded_items::guard_items;
use crate::{BoxService, Handler, Service};

/// Service in this process: a handler with a codec.
///
/// On the host it runs a service without isolation, with the same typed client, encoding and
/// middleware: for tests, and to measure the cost of isolation. A panic in a handler fails only its
/// call.
#[derive(Clone)]
pub struct Local<H, C> {
    served: Served<H, C>,
    /// Services of the handler. Those of a [`Router`](crate::Router) that cannot be served are
    /// empty: it refuses each call itself.
    services: Services,
    /// Service that handlers call as their host.
    host: Option<Arc<dyn Any + Send + Sync>>,
}

impl<H: Handler, C: Codec> Local<H, C> {
    /// Creates a service that calls `handler` in this process.
    pub fn new(handler: H, codec: C) -> Self {
        let services = Services::new(H::schemas()).unwrap_or_default();
        Self { served: Served::new(handler, codec, BodyLimit::NONE), services, host: None }
    }

    /// Sets the service that the handlers get as [`Context::host`](crate::Context::host). Default:
    /// none.
    #[must_use]
    pub fn with_host(mut self, host: impl Service<Codec = C> + 'static) -> Self {
        self.host = Some(Arc::new(BoxService::new(host)));
        self
    }

    /// Sets the size at which encoding a message, a reply or an error value stops. Default:
    /// [`BodyLimit::NONE`].
    #[must_use]
    pub fn with_body_limit(mut self, limit: BodyLimit) -> Self {
        self.served.codec.limit = limit;
        self
    }
}

impl<H: Handler, C: Codec> Service for Local<H, C> {
    type Codec = C;
    const CATCHES_PANICS: bool = true;

    fn codec(&self) -> &C {
        self.served.codec()
    }

    fn body_limit(&self) -> BodyLimit {
        self.served.body_limit()
    }

    async fn call(&self, mut request: Request) -> Result<Response, Error> {
        let is_served = |name| self.services.is_empty() || self.services.get(name).is_some();
        if !request.service().is_none_or(is_served) {
            return Err(self.services.unknown(&request).of_call());
        }
        if let Some(host) = &self.host {
            request.set_callback(Arc::clone(host));
        }
        self.served.call(request).await.map_err(Error::of_call)
    }
}

/// Handler with a codec, for requests whose service it serves. Workers serve requests with it.
#[derive(Clone)]
pub struct Served<H, C> {
    handler: H,
    codec: LimitedCodec<C>,
}

impl<H: Handler, C: Codec> Served<H, C> {
    /// Creates a service that calls `handler`. Encoding a reply or an error value stops at `limit`.
    pub fn new(handler: H, codec: C, limit: BodyLimit) -> Self {
        Self { handler, codec: LimitedCodec { codec, limit } }
    }
}

impl<H: Handler, C: Codec> Service for Served<H, C> {
    type Codec = C;
    const CATCHES_PANICS: bool = true;

    fn codec(&self) -> &C {
        &self.codec.codec
    }

    fn body_limit(&self) -> BodyLimit {
        self.codec.limit
    }

    fn call(&self, request: Request) -> impl Future<Output = Result<Response, Error>> + Send {
        let guard = HandlerGuard(request.to_name());
        // In a future, because a handler written by hand may panic before it returns its own.
        Guarded::new(guard, async { self.handler.handle(&self.codec, request).await })
    }
}

impl<H, C> fmt::Debug for Served<H, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Served").finish_non_exhaustive()
    }
}

impl<H: fmt::Debug, C: fmt::Debug> fmt::Debug for Local<H, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Served { handler, codec } = &self.served;
        f.debug_struct("Local").field("handler", handler).field("codec", codec).finish_non_exhaustive()
    }
}

/// Name of the message whose handler runs.
struct HandlerGuard(Name);

impl Guard for HandlerGuard {
    fn panicked(&self, what: &str) -> Error {
        Error::new(ErrorKind::Panicked, format!("the handler of `{}` {what}", self.0))
    }

    fn failed(&self, error: Error) -> Error {
        error.from_handler()
    }

    #[inline]
    fn guard_items(&self, mut response: Response) -> Response {
        if response.has_items() {
            response.change_items(|items| guard_items(items, self.0.clone()));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::FutureExt;
    use isolated_workers_codec::Json;
    use isolated_workers_core::{Body, CallError, Executed, Message, Schema};
    use serde::ser::SerializeSeq;
    use serde::{Deserialize, Serialize, Serializer};

    use super::*;
    use crate::{BoxService, Next, ServiceExt, from_fn, handler};

    /// Number of elements of [`Numbers`] that were encoded.
    static ENCODED: AtomicUsize = AtomicUsize::new(0);

    /// Encoded as this many numbers.
    #[derive(Debug, Deserialize)]
    #[serde(from = "Vec<u8>")]
    struct Numbers(usize);

    impl From<Vec<u8>> for Numbers {
        fn from(numbers: Vec<u8>) -> Self {
            Self(numbers.len())
        }
    }

    impl Serialize for Numbers {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut sequence = serializer.serialize_seq(Some(self.0))?;
            for _ in 0..self.0 {
                ENCODED.fetch_add(1, Ordering::Relaxed);
                sequence.serialize_element(&7_u8)?;
            }
            sequence.end()
        }
    }

    #[derive(Debug, Serialize, Deserialize)]
    struct Count {
        numbers: Numbers,
        answer: usize,
    }

    impl Message for Count {
        const NAME: &'static str = "count";
        type Reply = Numbers;
        type Error = Numbers;
    }

    impl std::fmt::Display for Numbers {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "{} numbers", self.0)
        }
    }

    struct CountHandler;

    impl Handler for CountHandler {
        const SCHEMA: Schema = Schema::new("CountHandler", 1);

        async fn handle<C: Codec>(&self, codec: &C, request: Request) -> Result<Response, Error> {
            let run = |Count { numbers, answer }: Count| async move {
                if numbers.0 > 0 { Err(Numbers(answer)) } else { Ok(Numbers(answer)) }
            };
            handler::respond(codec, request, run).await
        }
    }

    #[test]
    fn encoding_a_message_a_reply_or_an_error_ends_at_the_limit() {
        const MANY: usize = 1_000_000_000;
        let limit = BodyLimit::new(10_000, "Limits::frame");
        let local = Local::new(CountHandler, Json).with_body_limit(limit);
        let forward = async |request, next: Next<'_>| next.call(request).await;
        let service = BoxService::new(local.wrapped_by(from_fn(forward)));
        let call = |numbers, answer| {
            let before = ENCODED.load(Ordering::Relaxed);
            let message = Count { numbers: Numbers(numbers), answer };
            let result = service.send(message).now_or_never().expect("the handler does not wait");
            let encoded = ENCODED.load(Ordering::Relaxed) - before;
            assert!(encoded < 20_000, "{encoded} numbers were encoded");
            result
        };
        let refused = |result, executed, text: &str| {
            let Err(CallError::Call(error)) = result else { panic!("{result:?}") };
            assert_eq!((error.kind(), error.executed()), (ErrorKind::TooLarge, executed), "{error}");
            assert!(error.to_string().starts_with(text), "{error}");
        };
        assert_eq!(call(0, 1000).unwrap().0, 1000);
        let text = "could not encode the message `count` as json: it has more than 10000 bytes; raise";
        refused(call(MANY, 0), Executed::No, text);
        let text = "could not encode the reply to `count` as json: it has more than 10000 bytes; raise";
        refused(call(0, MANY), Executed::Yes, text);

        // The text of the error arrives without its value.
        let Err(CallError::Call(error)) = call(1, MANY) else { panic!() };
        assert_eq!((error.kind(), error.executed()), (ErrorKind::Remote, Executed::Yes));
        let text = error.to_string();
        assert!(
            text.starts_with("the handler of `count` failed: 1000000000 numbers (could not enc"),
            "{text}"
        );
    }

    struct EagerHandler;

    impl Handler for EagerHandler {
        const SCHEMA: Schema = Schema::new("EagerHandler", 1);

        fn handle<C: Codec>(
            &self,
            _: &C,
            request: Request,
        ) -> impl Future<Output = Result<Response, Error>> + Send {
            assert!(request.name() != "panic", "before the future");
            std::future::ready(Ok(Response::default()))
        }
    }

    #[test]
    fn a_handler_that_panics_before_it_returns_a_future_fails_only_its_call() {
        let local = Local::new(EagerHandler, Json);
        let call = |name| {
            local.call(Request::new(name, Body::empty())).now_or_never().expect("the handler does not wait")
        };
        let error = call(Name::from_static("panic")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Panicked);
        assert!(error.to_string().ends_with("panicked: before the future"), "{error}");
        assert!(call(Name::from_static("go on")).is_ok());
    }
}
