use isolated_workers_core::{Error, Request, Response, Side};
use tracing::{Instrument, Level, Span, field};

use crate::{Middleware, Service};

/// Runs each call in a `tracing` span, and says how it went.
///
/// The span is called `call` on the host and `handle` on the worker, has the message's name as `message` and the
/// transaction's id as `tx`, and is at debug level. A call that fails is an event at warn level within it. Where no
/// subscriber wants the span, it costs a check of an atomic.
#[derive(Clone, Copy, Debug, Default)]
pub struct Trace;

impl Trace {
    fn span(request: &Request) -> Span {
        let span = match request.side() {
            Side::Host => tracing::debug_span!("call", message = request.name(), tx = field::Empty),
            Side::Worker => tracing::debug_span!("handle", message = request.name(), tx = field::Empty),
        };
        if let Some(id) = request.id() {
            span.record("tx", field::display(id));
        }
        span
    }
}

impl Middleware for Trace {
    async fn handle<S: Service>(&self, request: Request, next: &S) -> Result<Response, Error> {
        if !tracing::enabled!(Level::WARN) {
            return next.call(request).await;
        }
        let span = Self::span(&request);
        let call = async {
            let result = next.call(request).await;
            match &result {
                Ok(response) => tracing::debug!(bytes = response.body().len(), "answered"),
                Err(error) => tracing::warn!(kind = ?error.kind(), "failed: {error:#}"),
            }
            result
        };
        call.instrument(span).await
    }
}
