use isolated_workers_codec::Codec;
use isolated_workers_core::{Error, ErrorKind, Name, Request, Response};

use crate::guard::{Guard, Guarded};
use crate::{Handler, Service};

/// A handler with a codec: a service in this process.
///
/// A worker serves one. On the host it runs a service without isolation, through the same typed stub, with the same
/// encoding and the same middleware: for tests, and to see what isolation costs. A panic in a handler fails its call
/// alone.
#[derive(Clone, Copy, Debug)]
pub struct Local<H, C> {
    handler: H,
    codec: C,
}

impl<H: Handler, C: Codec> Local<H, C> {
    /// Serves `handler` in place.
    pub fn new(handler: H, codec: C) -> Self {
        Self { handler, codec }
    }
}

impl<H: Handler, C: Codec> Service for Local<H, C> {
    type Codec = C;

    fn codec(&self) -> &C {
        &self.codec
    }

    fn call(&self, request: Request) -> impl Future<Output = Result<Response, Error>> + Send {
        let guard = InHandler(request.to_name());
        Guarded::new(guard, self.handler.handle(&self.codec, request))
    }
}

/// The message whose handler runs.
struct InHandler(Name);

impl Guard for InHandler {
    fn panicked(&self, what: &str) -> Error {
        Error::new(ErrorKind::Panicked, format!("the handler of `{}` {what}", self.0))
    }

    fn failed(&self, error: Error) -> Error {
        error
    }
}
