use std::fmt::{self, Debug, Display};

use crate::{BoxError, Error, ErrorKind};

/// Error of a typed call: an error value from the handler, or a failure of the call itself.
///
/// `?` converts it to an [`Error`]. The handler's error becomes the source of that error.
#[derive(Clone, Debug)]
pub enum CallError<E> {
    /// The handler ran and returned this error.
    Service(E),
    /// The call got no answer from the handler, for example because of a crash, a timeout, a closed
    /// worker or a codec error.
    Call(Error),
}

impl<E> CallError<E> {
    /// Returns the handler's error, or `None` if the call itself failed.
    pub fn service(self) -> Option<E> {
        match self {
            Self::Service(error) => Some(error),
            Self::Call(_) => None,
        }
    }

    /// Returns the failure of the call, or `None` if the handler returned an error.
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

/// The handler's error becomes the source of an error of kind [`Remote`](ErrorKind::Remote).
impl<E: Into<BoxError>> From<CallError<E>> for Error {
    fn from(error: CallError<E>) -> Self {
        match error {
            CallError::Service(error) => {
                Self::with_source(ErrorKind::Remote, "the handler returned an error", error)
            }
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

#[cfg(test)]
mod tests {
    use std::error::Error as StdError;
    use std::io;

    use super::*;
    use crate::{Executed, Never};

    fn causes(error: &Error) -> Vec<String> {
        std::iter::successors(error.source(), |&cause| cause.source()).map(ToString::to_string).collect()
    }

    #[test]
    fn a_service_error_is_the_source_of_an_error_and_stands_in_its_chain_once() {
        let failed = || Err::<(), _>(CallError::Service(io::Error::other("the disk is full")));
        let convert = || -> Result<(), Error> { Ok(failed()?) };
        let error = convert().unwrap_err();
        assert_eq!((error.kind(), error.executed()), (ErrorKind::Remote, Executed::Yes));
        assert_eq!(error.to_string(), "the handler returned an error");
        assert_eq!(causes(&error), ["the disk is full"]);
        assert!(error.source().unwrap().is::<io::Error>());
    }

    #[test]
    fn a_failure_of_the_call_keeps_kind_executed_and_source() {
        let failure = || {
            let source = io::Error::other("no such file");
            Error::with_source(ErrorKind::Closed, "could not call", source).with_executed(Executed::No)
        };
        let errors =
            [Error::from(CallError::<String>::Call(failure())), CallError::<Never>::Call(failure()).into()];
        for error in errors {
            assert_eq!((error.kind(), error.executed()), (ErrorKind::Closed, Executed::No));
            assert_eq!(causes(&error), ["no such file"]);
        }
        let text = Error::from(CallError::Service("no paper".to_owned()));
        assert_eq!(causes(&text), ["no paper"]);
    }
}
