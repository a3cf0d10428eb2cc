#[doc(hidden)]
pub mod open_spans;
mod w3c;

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use isolated_workers_core::{Body, Error, Items, Metadata, Request, Response, Role};
use tracing::{Instrument, Level, Span, field};

use self::open_spans::OpenSpan;
pub use self::w3c::TraceContext;
use crate::{Middleware, Service};

/// Runs each call in a `tracing` span, logs its outcome, and connects the worker's spans to the
/// host's.
///
/// The span is named `call` on the host and `handle` on the worker, at debug level. Its field
/// `message` is the name of the message, `service` that of its service if it is known, and `tx` is
/// the id of the transaction. Within the span, an answer logs a debug event and a failure a warn
/// event. If no subscriber is interested, a call costs one atomic load and no ids are sent.
///
/// The host's layer adds a W3C trace context to the request's metadata (`traceparent`), and the
/// worker's layer reads it. Both spans have the same `trace_id`. The `parent_id` of the worker's
/// span is the host's `span_id`. Calls that a handler makes in the same task belong to the same
/// trace. The ids are generated here and require only this layer on both sides. To use the ids of a
/// tracing system instead, see [`Trace::with`].
///
/// ```
/// use isolated_workers_codec::Json;
/// use isolated_workers_middleware::{Service, ServiceExt, Trace};
///
/// fn traced(service: impl Service<Codec = Json>) -> impl Service<Codec = Json> {
///     service.wrapped_by(Trace)
/// }
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Trace;

impl Trace {
    /// Returns a layer whose ids come from `propagator`, such as one for OpenTelemetry.
    pub fn with<P: Propagator>(propagator: P) -> TraceWith<P> {
        TraceWith(propagator)
    }
}

impl Middleware for Trace {
    fn handle<S: Service>(
        &self,
        request: Request,
        next: &S,
    ) -> impl Future<Output = Result<Response, Error>> + Send {
        traced(request, next, w3c::join_trace)
    }
}

/// [`Trace`] with a custom propagator, created by [`Trace::with`].
#[derive(Clone, Copy, Debug)]
pub struct TraceWith<P>(P);

impl<P: Propagator> Middleware for TraceWith<P> {
    fn handle<S: Service>(
        &self,
        request: Request,
        next: &S,
    ) -> impl Future<Output = Result<Response, Error>> + Send {
        traced(request, next, |span, request| {
            match request.role() {
                Role::Caller => self.0.inject(span, request.metadata_mut()),
                _ => self.0.extract(span, request.metadata()),
            }
            None
        })
    }
}

/// Carries the identity of a span from the host to the worker, in the metadata of a request.
///
/// [`Trace`](crate::Trace) has a built-in propagator. Implement this trait to use the ids of a
/// tracing system: `examples/opentelemetry.rs` does it for OpenTelemetry in twenty lines.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a propagator",
    note = "implement `Propagator` for it, or use `Trace` without `with`, which has a built-in propagator"
)]
pub trait Propagator: Send + Sync + 'static {
    /// Writes the trace and span of the call to `metadata`. Called on the host.
    fn inject(&self, span: &Span, metadata: &mut Metadata);

    /// Makes `span` a child of the span in `metadata`, if there is one. Called on the worker.
    fn extract(&self, span: &Span, metadata: &Metadata);
}

/// Runs the call in a span that `join` connects to its trace.
async fn traced<S: Service>(
    mut request: Request,
    next: &S,
    join: impl FnOnce(&Span, &mut Request) -> Option<TraceContext> + Send,
) -> Result<Response, Error> {
    if !tracing::enabled!(Level::WARN) {
        return next.call(request).await;
    }
    let span = span(&request);
    let is_caller = request.role() == Role::Caller;
    let context = join(&span, &mut request);
    let open_span = context.filter(|_| is_caller).and_then(|context| OpenSpan::new(context.span_id(), &span));
    let call = async {
        let mut result = next.call(request).await;
        if open_span.is_some() {
            // The worker wrote its last events before the answer. Let them be read within the span.
            tokio::task::yield_now().await;
        }
        match &mut result {
            Ok(response) if response.has_items() => {
                let span = Span::current();
                response.change_items(|items| {
                    Items::new(TracedItems { items, span, _open_span: open_span, count: 0 })
                });
            }
            Ok(response) => tracing::debug!(bytes = response.body().len(), "answered"),
            Err(error) => tracing::warn!(kind = ?error.kind(), "failed: {error:#}"),
        }
        result
    };
    let call = call.instrument(span);
    match context {
        Some(context) => context.scope(call).await,
        None => call.await,
    }
}

/// Items of a call, which lasts until their end.
struct TracedItems {
    items: Items,
    span: Span,
    _open_span: Option<OpenSpan>,
    count: u64,
}

impl Stream for TracedItems {
    type Item = Result<Body, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let _entered = this.span.enter();
        let next = Pin::new(&mut this.items).poll_next(cx);
        match &next {
            Poll::Ready(Some(Ok(_))) => this.count += 1,
            Poll::Ready(Some(Err(error))) => {
                tracing::warn!(kind = ?error.kind(), items = this.count, "failed: {error:#}");
            }
            Poll::Ready(None) => tracing::debug!(items = this.count, "answered"),
            Poll::Pending => {}
        }
        next
    }
}

fn span(request: &Request) -> Span {
    /// Creates a span with the fields common to both sides.
    macro_rules! span {
        ($name:literal) => {
            tracing::debug_span!(
                $name,
                message = request.name(),
                service = field::Empty,
                tx = field::Empty,
                trace_id = field::Empty,
                span_id = field::Empty,
                parent_id = field::Empty,
                attempt = field::Empty,
            )
        };
    }
    let span = match request.role() {
        Role::Caller => span!("call"),
        _ => span!("handle"),
    };
    if let Some(service) = request.service() {
        span.record("service", service);
    }
    if let Some(id) = request.id() {
        span.record("tx", field::display(id));
    }
    if request.attempt() > 1 {
        span.record("attempt", request.attempt());
    }
    span
}
