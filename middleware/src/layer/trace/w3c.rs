use std::fmt;

use isolated_workers_core::{Request, Role};
use tracing::{Span, field};

use crate::support::random;

/// Metadata key of the trace context.
const KEY: &str = "traceparent";

/// Trace and span of a call: the `traceparent` of <https://www.w3.org/TR/trace-context/>.
///
/// `Display` writes the header format: `00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext {
    trace: u128,
    span: u64,
    flags: u8,
}

/// Flag for a trace that is recorded.
const SAMPLED: u8 = 1;

tokio::task_local! {
    static CURRENT: TraceContext;
}

impl TraceContext {
    /// Creates the context of a new trace.
    fn new() -> Self {
        Self {
            trace: not_zero(|| u128::from(random()) << 64 | u128::from(random())),
            span: id(),
            flags: SAMPLED,
        }
    }

    /// Creates the context of another span of the same trace.
    fn child(self) -> Self {
        Self { span: id(), ..self }
    }

    /// Returns the context of the current call or handler below a [`Trace`](crate::Trace), to
    /// propagate it by other means.
    pub fn current() -> Option<Self> {
        CURRENT.try_with(|context| *context).ok()
    }

    /// Parses the format of `Display`. Returns `None` if `text` is not a valid context. Fields
    /// after the fourth are ignored if the version is later than 0.
    pub fn parse(text: &str) -> Option<Self> {
        let mut fields = text.split('-');
        let version = hex(fields.next()?, 2)?;
        let (trace, span) = (hex(fields.next()?, 32)?, hex(fields.next()?, 16)?);
        let flags = hex(fields.next()?, 2)?;
        let whole = version > 0 || fields.next().is_none();
        let valid = version != 0xff && trace != 0 && span != 0 && whole;
        valid.then_some(Self { trace, span: span as u64, flags: flags as u8 })
    }

    pub(super) fn span_id(self) -> u64 {
        self.span
    }

    pub(super) async fn scope<F: Future>(self, future: F) -> F::Output {
        CURRENT.scope(self, future).await
    }
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace, self.span, self.flags)
    }
}

/// Records the trace and span ids in `span`.
///
/// The parent is the context in the request, or else the current one. Without either, a new trace
/// is created. On the host, the context is added to the request.
pub(super) fn join_trace(span: &Span, request: &mut Request) -> Option<TraceContext> {
    let received = request.metadata().get(KEY).and_then(TraceContext::parse);
    let parent = received.or_else(TraceContext::current);
    let context = parent.map_or_else(TraceContext::new, TraceContext::child);
    span.record("trace_id", field::display(format_args!("{:032x}", context.trace)));
    span.record("span_id", field::display(format_args!("{:016x}", context.span)));
    if let Some(parent) = parent {
        span.record("parent_id", field::display(format_args!("{:016x}", parent.span)));
    }
    if request.role() == Role::Caller {
        request.metadata_mut().insert(KEY, context.to_string());
    }
    Some(context)
}

/// Parses exactly `digits` hexadecimal digits. The standard requires lower case.
fn hex(text: &str, digits: usize) -> Option<u128> {
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let whole = text.len() == digits && text.bytes().all(is_digit);
    if whole { u128::from_str_radix(text, 16).ok() } else { None }
}

fn id() -> u64 {
    not_zero(random)
}

/// Draws numbers until one is not zero, because zero is an invalid id.
fn not_zero<T: Default + PartialEq>(number: impl Fn() -> T) -> T {
    loop {
        let number = number();
        if number != T::default() {
            return number;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn display_and_parse_are_inverse() {
        assert_eq!(TraceContext::parse(EXAMPLE).unwrap().to_string(), EXAMPLE);
        let new = TraceContext::new();
        assert_eq!(TraceContext::parse(&new.to_string()), Some(new));
    }

    #[test]
    fn invalid_text_is_none() {
        for text in [
            "",
            "00",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
        ] {
            assert_eq!(TraceContext::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_later_version_may_have_more_fields() {
        let later = format!("01{}-more", &EXAMPLE[2..]);
        assert_eq!(TraceContext::parse(&later), TraceContext::parse(EXAMPLE));
    }
}
