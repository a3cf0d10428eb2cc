//! Error that keeps the reason given by a type, because postcard's error cannot hold one.

use std::error::Error;
use std::fmt::{self, Debug, Display};

use serde::de::{self, Expected, Unexpected};

use super::thread_state;

/// Error of a codec's deserializer. Its constructor stores the text in the thread's state.
pub(super) struct WithReason<E>(pub(super) E);

impl<E: de::Error> de::Error for WithReason<E> {
    #[cold]
    fn custom<T: Display>(reason: T) -> Self {
        let reason = reason.to_string();
        let error = E::custom(&reason);
        thread_state::set_refused(reason);
        Self(error)
    }

    // Formats override this one to describe `unexpected` in their own terms.
    #[cold]
    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        thread_state::set_refused(format!("invalid type: {unexpected}, expected {expected}"));
        Self(E::invalid_type(unexpected, expected))
    }
}

impl<E: Debug> Debug for WithReason<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<E: Display> Display for WithReason<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<E: Error> Error for WithReason<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}
