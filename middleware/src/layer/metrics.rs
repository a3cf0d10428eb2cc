use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use futures_core::Stream;
use isolated_workers_core::{Body, Error, ErrorKind, Executed, Items, Name, Request, Response, Role};
use metrics::Label;

use crate::{Middleware, Service};

/// Records the number, duration and size of calls. Uses the `metrics` crate, so any recorder that
/// the program installs receives them.
///
/// | name | kind | labels | meaning |
/// |---|---|---|---|
/// | `isolated_workers_calls_total` | counter | `service`, `message`, `side` | calls that ended, including dropped calls |
/// | `isolated_workers_errors_total` | counter | `service`, `message`, `side`, `kind` | failed calls; the kind is an [`ErrorKind`], `Cancelled` for dropped calls |
/// | `isolated_workers_call_duration_seconds` | histogram | `service`, `message`, `side` | duration of calls that ended |
/// | `isolated_workers_in_flight` | gauge | `side` | calls in flight |
/// | `isolated_workers_request_bytes_total` | counter | `service`, `message`, `side` | bytes of request payloads |
/// | `isolated_workers_reply_bytes_total` | counter | `service`, `message`, `side` | bytes of reply payloads |
///
/// `side` is `host` or `worker`. `service` is the name of the service, or empty on a host for
/// messages of no service. A worker cannot trust the name of a message that no handler has seen:
/// each made-up name would create a time series. Calls that were refused or dropped on the worker
/// therefore have an empty `message`.
///
/// ```
/// use isolated_workers_codec::Json;
/// use isolated_workers_middleware::{Metrics, Service, ServiceExt};
///
/// fn measured(service: impl Service<Codec = Json>) -> impl Service<Codec = Json> {
///     service.wrapped_by(Metrics)
/// }
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Metrics;

impl Middleware for Metrics {
    async fn handle<S: Service>(&self, request: Request, next: &S) -> Result<Response, Error> {
        let call = MeasuredCall::begin(&request);
        let mut answer = next.call(request).await;
        match &mut answer {
            Ok(response) if response.has_items() => {
                response
                    .change_items(|items| Items::new(MeasuredItems { items, call: Some(call), bytes: 0 }));
            }
            Ok(response) => call.end(Ok(response.body().len())),
            Err(error) => call.end(Err(error)),
        }
        answer
    }
}

/// Call in flight. Counts as cancelled if it is dropped before its end.
/// Items of a call, which lasts until their end.
struct MeasuredItems {
    items: Items,
    call: Option<MeasuredCall>,
    bytes: usize,
}

impl Stream for MeasuredItems {
    type Item = Result<Body, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let next = Pin::new(&mut this.items).poll_next(cx);
        match &next {
            Poll::Ready(Some(Ok(item))) => this.bytes += item.len(),
            Poll::Ready(end) => {
                if let Some(call) = this.call.take() {
                    call.end(match end {
                        Some(Err(error)) => Err(error),
                        _ => Ok(this.bytes),
                    });
                }
            }
            Poll::Pending => {}
        }
        next
    }
}

struct MeasuredCall {
    service: String,
    name: Name,
    side: Role,
    bytes: usize,
    begun: Instant,
    ended: bool,
}

impl MeasuredCall {
    fn begin(request: &Request) -> Self {
        let call = Self {
            service: request.service().unwrap_or_default().to_owned(),
            name: request.to_name(),
            side: request.role(),
            bytes: request.body().len(),
            begun: Instant::now(),
            ended: false,
        };
        metrics::gauge!("isolated_workers_in_flight", "side" => call.side()).increment(1);
        call
    }

    /// `reply_bytes`: size of the reply, or of all items.
    fn end(mut self, reply_bytes: Result<usize, &Error>) {
        self.ended = true;
        match reply_bytes {
            Ok(bytes) => {
                self.count(true, None);
                let labels = self.labels(self.name.to_string());
                metrics::counter!("isolated_workers_reply_bytes_total", labels.iter())
                    .increment(bytes as u64);
            }
            Err(error) => self.count(error.executed() == Executed::Yes, Some(error.kind())),
        }
    }

    /// `handled` is `true` if a handler knows the message.
    fn count(&self, handled: bool, failed: Option<ErrorKind>) {
        let trusted = handled || self.side == Role::Caller;
        let labels = self.labels(if trusted { self.name.to_string() } else { String::new() });
        metrics::counter!("isolated_workers_calls_total", labels.iter()).increment(1);
        metrics::histogram!("isolated_workers_call_duration_seconds", labels.iter())
            .record(self.begun.elapsed());
        metrics::counter!("isolated_workers_request_bytes_total", labels.iter()).increment(self.bytes as u64);
        if let Some(kind) = failed {
            let [service, message, side] = labels;
            let labels = [service, message, side, Label::new("kind", format!("{kind:?}"))];
            metrics::counter!("isolated_workers_errors_total", labels.iter()).increment(1);
        }
    }

    fn labels(&self, message: String) -> [Label; 3] {
        [
            Label::new("service", self.service.clone()),
            Label::new("message", message),
            Label::from_static_parts("side", self.side()),
        ]
    }

    fn side(&self) -> &'static str {
        match self.side {
            Role::Caller => "host",
            _ => "worker",
        }
    }
}

impl Drop for MeasuredCall {
    fn drop(&mut self) {
        metrics::gauge!("isolated_workers_in_flight", "side" => self.side()).decrement(1);
        if !self.ended {
            self.count(false, Some(ErrorKind::Cancelled));
        }
    }
}
