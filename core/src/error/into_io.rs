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

fn kind_of(error: &Error) -> io::ErrorKind {
    match error.kind() {
        ErrorKind::Timeout => io::ErrorKind::TimedOut,
        // No other kind has the same meaning. `Interrupted` would be read again.
        _ => io::ErrorKind::Other,
    }
}
