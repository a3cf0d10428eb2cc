use std::fmt::Display;
use std::io;

use super::{BoxError, Error, ErrorKind};
use crate::CallError;

/// For code that reads and writes bytes, such as `StreamReader` of the crate `tokio-util`. The
/// error is the inner error of the result, of the kind `TimedOut` or `Other`.
impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        Self::new(kind_of(&error), error)
    }
}

/// The [`CallError`] is the inner error of the result, of the kind `TimedOut` or `Other`.
impl<E> From<CallError<E>> for io::Error
where
    CallError<E>: Into<BoxError>,
{
    fn from(error: CallError<E>) -> Self {
        let kind = error.call().map_or(io::ErrorKind::Other, kind_of);
        Self::new(kind, error)
    }
}

/// For functions whose error is a text, such as a handler that returns `Result<_, String>`. Only the
/// text with its causes remains.
///
/// ```
/// use isolated_workers_core::{Error, ErrorKind};
///
/// fn check() -> Result<(), String> {
///     Err(Error::new(ErrorKind::Invalid, "the page is empty"))?
/// }
/// assert_eq!(check(), Err("the page is empty".to_owned()));
/// ```
impl From<Error> for String {
    fn from(error: Error) -> Self {
        format!("{error:#}")
    }
}

/// Only the text with its causes remains.
impl<E> From<CallError<E>> for String
where
    CallError<E>: Display,
{
    fn from(error: CallError<E>) -> Self {
        format!("{error:#}")
    }
}

fn kind_of(error: &Error) -> io::ErrorKind {
    match error.kind() {
        ErrorKind::Timeout => io::ErrorKind::TimedOut,
        // No other kind has the same meaning. `Interrupted` would be read again.
        _ => io::ErrorKind::Other,
    }
}
