use isolated_workers_codec::Codec;
use isolated_workers_core::{Error, ErrorKind, Name, Request, Response};

use crate::support::guard::{Guard, Guarded};
use crate::{Handler, Service};

/// Service in this process: a handler with a codec.
///
/// Workers serve requests with it. On the host it runs a service without isolation, with the same
/// typed client, encoding and middleware: for tests, and to measure the cost of isolation. A panic
/// in a handler fails only its call.
#[derive(Clone, Copy, Debug)]
pub struct Local<H, C> {
    handler: H,
    codec: C,
}

impl<H: Handler, C: Codec> Local<H, C> {
    /// Creates a service that calls `handler` in this process.
    pub fn new(handler: H, codec: C) -> Self {
        Self { handler, codec }
    }
}

impl<H: Handler, C: Codec> Service for Local<H, C> {
    type Codec = C;
    const CATCHES_PANICS: bool = true;

    fn codec(&self) -> &C {
        &self.codec
    }

    fn call(&self, request: Request) -> impl Future<Output = Result<Response, Error>> + Send {
        let guard = HandlerGuard(request.to_name());
        // In a future, because a handler written by hand may panic before it returns its own.
        Guarded::new(guard, async { self.handler.handle(&self.codec, request).await })
    }
}

/// Name of the message whose handler runs.
struct HandlerGuard(Name);

impl Guard for HandlerGuard {
    fn panicked(&self, what: &str) -> Error {
        Error::new(ErrorKind::Panicked, format!("the handler of `{}` {what}", self.0))
    }

    fn failed(&self, error: Error) -> Error {
        error
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use isolated_workers_codec::Json;
    use isolated_workers_core::{Body, Schema};

    use super::*;

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
