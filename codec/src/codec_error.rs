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
    over_budget: bool,
    /// `true` if the type gave a reason that the format's library dropped.
    lost_reason: bool,
}

impl CodecError {
    /// Wraps an error of the format's library, or a text.
    pub fn new(cause: impl Into<BoxError>) -> Self {
        Self(Box::new(Details { cause: cause.into(), over_budget: false, lost_reason: false }))
    }

    /// Creates a placeholder for a reason that a type gave and the format's library dropped.
    /// [`with_lost_reason`](Self::with_lost_reason) replaces it.
    #[cfg(feature = "postcard")]
    pub(crate) fn without_reason(fallback: &'static str) -> Self {
        Self(Box::new(Details { cause: fallback.into(), over_budget: false, lost_reason: true }))
    }

    /// Replaces the text with `reason` if the library dropped the type's reason.
    pub(crate) fn with_lost_reason(self, reason: String) -> Self {
        if self.0.lost_reason { Self::new(reason) } else { self }
    }

    /// Creates the error of a value that exceeds its budget.
    pub(crate) fn over_budget(text: String) -> Self {
        Self(Box::new(Details { cause: text.into(), over_budget: true, lost_reason: false }))
    }

    /// Returns `true` if decoding stopped because the value exceeds its budget. The bytes may be
    /// valid.
    pub fn is_over_budget(&self) -> bool {
        self.0.over_budget
    }
}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.cause.fmt(f)
    }
}

impl std::error::Error for CodecError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.cause.source()
    }
}
