use std::cell::Cell;
use std::error::Error;
use std::fmt::{self, Debug, Display};

use serde::de::{self, Expected, Unexpected};

use super::{PASSAGE, Passage};

/// An error of a codec, of which the reason is kept, too: postcard's has no room for one.
pub(super) struct Told<E>(pub(super) E);

thread_local! {
    /// What the last error that a type has made says.
    static REASON: Cell<String> = const { Cell::new(String::new()) };
}

/// Takes the last reason.
#[cold]
pub(super) fn reason() -> String {
    REASON.take()
}

fn keep(reason: String) {
    REASON.set(reason);
    PASSAGE.set(Passage::Refused);
}

impl<E: de::Error> de::Error for Told<E> {
    #[cold]
    fn custom<T: Display>(reason: T) -> Self {
        let reason = reason.to_string();
        let error = E::custom(&reason);
        keep(reason);
        Self(error)
    }

    /// Formats have their own words for these.
    #[cold]
    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        keep(format!("invalid type: {unexpected}, expected {expected}"));
        Self(E::invalid_type(unexpected, expected))
    }
}

impl<E: Debug> Debug for Told<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<E: Display> Display for Told<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<E: Error> Error for Told<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}
