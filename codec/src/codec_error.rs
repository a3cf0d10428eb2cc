use std::fmt;

use isolated_workers_core::BoxError;

/// Error of encoding or decoding a value.
#[derive(Debug)]
pub struct CodecError(
    // One pointer, because it is in the result of every value.
    Box<Details>,
);

#[derive(Debug)]
struct Details {
    cause: BoxError,
    class: Class,
    advice: Option<&'static str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    /// The value or the bytes are at fault.
    Plain,
    /// As [`Plain`](Self::Plain), and the format's library dropped the reason of the type.
    LostReason,
    /// The value exceeds a limit that can be raised.
    OverBudget,
    /// The value exceeds a limit that cannot be raised.
    OverMaximum,
    /// Encoding was interrupted.
    Interruption,
}

impl CodecError {
    /// Wraps an error of the format's library, or a text.
    pub fn new(cause: impl Into<BoxError>) -> Self {
        Self::with_class(cause, Class::Plain)
    }

    fn with_class(cause: impl Into<BoxError>, class: Class) -> Self {
        Self(Box::new(Details { cause: cause.into(), class, advice: None }))
    }

    /// Adds advice that fits this cause. The text then needs no other.
    #[must_use]
    pub fn with_advice(mut self, advice: &'static str) -> Self {
        self.0.advice = Some(advice);
        self
    }

    /// Creates a placeholder for a reason that a type gave and the format's library dropped.
    /// [`with_lost_reason`](Self::with_lost_reason) replaces it.
    #[cfg(feature = "postcard")]
    pub(crate) fn without_reason(fallback: &'static str) -> Self {
        Self::with_class(fallback, Class::LostReason)
    }

    /// Replaces the text with `reason` if the library dropped the type's reason.
    pub(crate) fn with_lost_reason(self, reason: String) -> Self {
        if self.0.class == Class::LostReason { Self::of_type(reason) } else { self }
    }

    /// Wraps the reason of a type. Adds advice for the limits of serde and `serde_json`.
    pub(crate) fn of_type(cause: impl Into<BoxError>) -> Self {
        let cause = cause.into();
        // The reason is the only thing that a format keeps of an error.
        let text = cause.to_string();
        let has = |reason| text.contains(reason);
        if has("i128 is not supported") || has("u128 is not supported") {
            return Self::new(cause).with_advice(
                "serde has no 128-bit integers within its attributes `flatten`, `tag` and `untagged`: use a smaller \
                 type or a text there",
            );
        }
        if has("newtype struct, expected any valid JSON value") {
            return Self::new(cause).with_advice(
                "`RawValue` of `serde_json` needs the codec `Json`: send the text as a `String` with others",
            );
        }
        if has("is reserved for `serde_json`") {
            return Self::new(cause).with_advice("rename it");
        }
        Self::new(cause)
    }

    /// Creates the error of a value that exceeds its budget.
    pub(crate) fn over_budget(text: String) -> Self {
        Self::with_class(text, Class::OverBudget)
    }

    /// Creates the error of a value that exceeds the maximum of a limit.
    pub(crate) fn over_maximum(text: String) -> Self {
        Self::with_class(text, Class::OverMaximum)
    }

    /// Creates the error of a value of which a part was encoded.
    pub(crate) fn interruption() -> Self {
        Self::with_class("it is large, and encoding was interrupted", Class::Interruption)
    }

    /// Returns `true` if [`Pieces::interrupt_at`](crate::Pieces::interrupt_at) has stopped
    /// encoding. The value may be valid.
    pub fn is_interruption(&self) -> bool {
        self.0.class == Class::Interruption
    }

    /// Returns `true` if the text ends with advice that fits its cause.
    pub fn has_advice(&self) -> bool {
        self.0.advice.is_some() || self.is_over_budget()
    }

    /// Returns `true` if encoding or decoding stopped because the value exceeds a limit. The value
    /// may be valid.
    pub fn is_over_budget(&self) -> bool {
        matches!(self.0.class, Class::OverBudget | Class::OverMaximum)
    }

    /// Returns `true` if [`Limits`](isolated_workers_core::Limits) can be set so that the value
    /// does not exceed its budget. The text names the limit.
    pub fn can_raise_limit(&self) -> bool {
        self.0.class == Class::OverBudget
    }
}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.cause.fmt(f)?;
        self.0.advice.map_or(Ok(()), |advice| write!(f, "; {advice}"))
    }
}

impl std::error::Error for CodecError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.cause.source()
    }
}
