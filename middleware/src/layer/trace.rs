mod w3c;

use isolated_workers_core::{Error, Metadata, Request, Response, Role};
use tracing::{Instrument, Level, Span, field};

pub use self::w3c::TraceContext;
use crate::{Middleware, Service};

/// Runs each call in a `tracing` span, says how it went, and joins the worker's spans to the
/// host's.
///
/// The span is called `call` on the host and `handle` on the worker, has the message's name as
/// `message` and the transaction's id as `tx`, and is at debug level. A call that fails is an event
/// at warn level within it. Where no subscriber wants the span, it costs a check of an atomic, and
/// nothing travels.
///
/// The host's layer puts a W3C trace context beside the request (`traceparent`), the worker's takes
/// it from there: both spans have the same `trace_id`, and the worker's has the host's `span_id` as
/// its `parent_id`. Calls that a handler makes in its turn, in the same task, belong to the same
/// trace. The ids are made here and need nothing but this layer on both sides; to have those of a
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
    /// The same with ids that another propagator makes and carries: the one of OpenTelemetry, for
    /// example.
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
        traced(request, next, w3c::joined)
    }
}

/// [`Trace`] with a propagator of one's own: [`Trace::with`].
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

/// Carries the identity of a span from the host to the worker, beside a request.
///
/// [`Trace`](crate::Trace) has one of its own. Another lets a tracing system make the ids:
/// `examples/opentelemetry.rs` does it for OpenTelemetry in twenty lines.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not carry spans",
    note = "implement `Propagator` for it, or use `Trace` without `with`, which has one of its own"
)]
pub trait Propagator: Send + Sync + 'static {
    /// On the host: writes down which trace and span the call belongs to.
    fn inject(&self, span: &Span, metadata: &mut Metadata);

    /// On the worker: makes `span` the child of what the host has written down, if it has.
    fn extract(&self, span: &Span, metadata: &Metadata);
}

/// Runs the call in a span that `join` has joined to its trace.
async fn traced<S: Service>(
    mut request: Request,
    next: &S,
    join: impl FnOnce(&Span, &mut Request) -> Option<TraceContext> + Send,
) -> Result<Response, Error> {
    if !tracing::enabled!(Level::WARN) {
        return next.call(request).await;
    }
    let span = span(&request);
    let context = join(&span, &mut request);
    let call = async {
        let result = next.call(request).await;
        match &result {
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

fn span(request: &Request) -> Span {
    /// The fields of both spans.
    macro_rules! span {
        ($name:literal) => {
            tracing::debug_span!(
                $name,
                message = request.name(),
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
    if let Some(id) = request.id() {
        span.record("tx", field::display(id));
    }
    if request.attempt() > 1 {
        span.record("attempt", request.attempt());
    }
    span
}
