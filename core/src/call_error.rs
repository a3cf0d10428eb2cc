use std::fmt::{self, Debug, Display};

use crate::{Error, Never};

/// Why a call of a message with an error type of its own failed: because the handler said so, or because the call
/// did not come that far.
#[derive(Clone, Debug)]
pub enum CallError<E> {
    /// The handler ran and returned `Err` of this.
    Service(E),
    /// There is no answer of the handler: a crash, a timeout, a closed worker, a codec …
    Call(Error),
}

impl<E> CallError<E> {
    /// The handler's own error, if that is what it was.
    pub fn service(self) -> Option<E> {
        match self {
            Self::Service(error) => Some(error),
            Self::Call(_) => None,
        }
    }

    /// The failure of the call, if that is what it was.
    pub fn call(&self) -> Option<&Error> {
        match self {
            Self::Service(_) => None,
            Self::Call(error) => Some(error),
        }
    }
}

impl<E> From<Error> for CallError<E> {
    fn from(error: Error) -> Self {
        Self::Call(error)
    }
}

impl From<CallError<Never>> for Error {
    fn from(error: CallError<Never>) -> Self {
        match error {
            CallError::Service(never) => match never {},
            CallError::Call(error) => error,
        }
    }
}

impl<E: Display> Display for CallError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service(error) => Display::fmt(error, f),
            Self::Call(error) => Display::fmt(error, f),
        }
    }
}

impl<E: Display + Debug> std::error::Error for CallError<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Service(_) => None,
            Self::Call(error) => std::error::Error::source(error),
        }
    }
}
