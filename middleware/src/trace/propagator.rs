use isolated_workers_core::Metadata;
use tracing::Span;

/// Carries the identity of a span from the host to the worker, beside a request.
///
/// [`Trace`](crate::Trace) has one of its own. Another lets a tracing system make the ids: `examples/opentelemetry.rs` does
/// it for OpenTelemetry in twenty lines.
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
