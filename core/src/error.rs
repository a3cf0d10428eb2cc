//! Why a call, a worker or a connection failed.
//!
//! One opaque type for all of it: callers decide by [`Error::kind`], people read the text, and a new reason can be
//! told without breaking either. It is one pointer in size, because it sits in the `Result` of every call, and cheap
//! to clone, because one dead connection fails many calls.

mod crash;
mod kind;
mod remote;

use std::error::Error as StdError;
use std::fmt;
use std::sync::{Arc, OnceLock};

pub use self::crash::{Crash, ExitReason};
pub use self::kind::{ErrorKind, Executed};
pub use self::remote::RemoteError;

/// An error of any type that can be sent between threads.
pub type BoxError = Box<dyn StdError + Send + Sync>;

/// Why a call, a worker or a connection failed.
///
/// Its text says what was attempted, on what, why that failed and what to do; `{:#}` adds the chain of causes, but for
/// those that the text tells already.
/// `Debug` prints the same as `{:#}` with the kind in front, because that is what a `main` that returns it shows.
#[derive(Clone)]
pub struct Error(Arc<Inner>);

struct Inner {
    kind: ErrorKind,
    executed: Executed,
    text: String,
    detail: Detail,
    source: Option<BoxError>,
    /// The middleware that made the error; `Some(None)` where it came from further in than any.
    middleware: OnceLock<Option<Box<str>>>,
}

enum Detail {
    None,
    Crash(Crash),
    Remote(Box<RemoteError>),
}

impl Error {
    /// An error of this kind; `text` says what was attempted, on what, why it failed and what to do.
    pub fn new(kind: ErrorKind, text: impl Into<String>) -> Self {
        Self::build(kind, text.into(), Detail::None, None)
    }

    /// The same with the error that caused it.
    pub fn with_source(kind: ErrorKind, text: impl Into<String>, source: impl Into<BoxError>) -> Self {
        Self::build(kind, text.into(), Detail::None, Some(source.into()))
    }

    /// The worker went away with a call in flight, or before it came up.
    pub fn crashed(crash: Crash) -> Self {
        Self::build(ErrorKind::Crashed, crash.to_string(), Detail::Crash(crash), None)
    }

    /// The answer of the other side to `message`.
    pub fn remote(message: &str, remote: RemoteError) -> Self {
        let kind = remote.code.as_deref().and_then(ErrorKind::from_code).unwrap_or(ErrorKind::Remote);
        let text = match kind {
            ErrorKind::Remote => format!("the handler of `{message}` failed: {}", remote.message),
            _ => remote.message.clone(),
        };
        // A kind that means "not run" of a call from here does not mean it of one that a handler made in its turn.
        let executed = match (kind, kind.executed()) {
            (ErrorKind::UnknownMessage, executed) => executed,
            (_, Executed::No) => Executed::Maybe,
            (_, executed) => executed,
        };
        Self::build(kind, text, Detail::Remote(remote.into()), None).with_executed(executed)
    }

    fn build(kind: ErrorKind, text: String, detail: Detail, source: Option<BoxError>) -> Self {
        let executed = kind.executed();
        Self(Arc::new(Inner { kind, executed, text, detail, source, middleware: OnceLock::new() }))
    }

    /// Says for certain whether the message was run, where the one who makes the error knows better than its kind.
    pub fn with_executed(self, executed: Executed) -> Self {
        let mut inner = self.0;
        match Arc::get_mut(&mut inner) {
            Some(inner) => inner.executed = executed,
            // A shared error keeps what it said before: someone may already have decided by it.
            None => debug_assert!(false, "with_executed is for an error that was just made"),
        }
        Self(inner)
    }

    /// Names the middleware that made the error, unless that is settled already. A stack does it for each of its
    /// middleware; the name stands in front of the text, also on the other side.
    pub fn in_middleware(self, name: &str) -> Self {
        self.0.middleware.get_or_init(|| Some(name.into()));
        self
    }

    /// Says that the error came to a middleware from what that calls, so that none is named for it that only passes
    /// it on.
    pub fn from_next(self) -> Self {
        self.0.middleware.get_or_init(|| None);
        self
    }

    /// The middleware of this process that made the error.
    pub fn middleware(&self) -> Option<&str> {
        self.0.middleware.get()?.as_deref()
    }

    /// What went wrong, to decide by.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether the message may have been run: only [`Executed::No`] makes it safe to run one again that is not
    /// idempotent.
    pub fn executed(&self) -> Executed {
        self.0.executed
    }

    /// How the worker ended, where that is why the call failed.
    pub fn crash(&self) -> Option<&Crash> {
        match &self.0.detail {
            Detail::Crash(crash) => Some(crash),
            _ => None,
        }
    }

    /// What the other side answered, where it answered with an error.
    pub fn remote_error(&self) -> Option<&RemoteError> {
        match &self.0.detail {
            Detail::Remote(remote) => Some(remote),
            _ => None,
        }
    }

    /// The error as it goes to the other side.
    pub fn to_remote(&self) -> RemoteError {
        if let Some(remote) = self.remote_error() {
            return remote.clone();
        }
        let mut remote = RemoteError::new(format!("{:?}", self.kind()), self.to_string());
        remote.code = Some(self.kind().code().to_owned());
        remote.chain = causes(self).map(ToString::to_string).collect();
        remote
    }
}

/// The causes of an error, nearest first.
fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(error.source(), |&cause| cause.source())
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(middleware) = self.middleware() {
            write!(f, "in the middleware `{middleware}`: ")?;
        }
        f.write_str(&self.0.text)?;
        if f.alternate() {
            for cause in causes(self).map(ToString::to_string).filter(|cause| !self.0.text.contains(cause)) {
                write!(f, ": {cause}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {self:#}", self.kind())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_ref().map(|source| &**source as &(dyn StdError + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_one_pointer() {
        assert_eq!(size_of::<Result<(), Error>>(), size_of::<usize>());
    }

    #[test]
    fn its_text_tells_the_chain_when_asked() {
        let error = Error::with_source(
            ErrorKind::Spawn,
            "could not start `worker`",
            std::io::Error::other("no such file"),
        );
        assert_eq!(error.to_string(), "could not start `worker`");
        assert_eq!(format!("{error:#}"), "could not start `worker`: no such file");
        assert_eq!(format!("{error:?}"), "Spawn: could not start `worker`: no such file");
        let told =
            Error::with_source(ErrorKind::Decode, "no `add`: no number", std::io::Error::other("no number"));
        assert_eq!(format!("{told:#}"), "no `add`: no number");
    }

    #[test]
    fn it_names_the_middleware_that_made_it() {
        let made = Error::new(ErrorKind::Denied, "no token").in_middleware("Auth").in_middleware("Trace");
        assert_eq!(made.to_string(), "in the middleware `Auth`: no token");
        assert_eq!(Error::remote("add", made.to_remote()).to_string(), made.to_string());
        let passed = Error::new(ErrorKind::Denied, "no token").from_next().in_middleware("Trace");
        assert_eq!((passed.to_string().as_str(), passed.middleware()), ("no token", None));
    }

    #[test]
    fn every_kind_survives_the_wire() {
        for kind in ErrorKind::ALL {
            let error = Error::new(kind, "why");
            let there = Error::remote("add", error.to_remote());
            let expected = if kind == ErrorKind::Remote { "the handler of `add` failed: why" } else { "why" };
            assert_eq!((there.kind(), there.to_string().as_str()), (kind, expected));
        }
    }

    #[test]
    fn a_code_of_the_handler_is_no_kind() {
        let mut remote = RemoteError::new("MyError", "no");
        remote.code = Some("E_MY".into());
        let error = Error::remote("add", remote);
        assert_eq!(error.kind(), ErrorKind::Remote);
        assert_eq!(error.remote_error().unwrap().code.as_deref(), Some("E_MY"));
    }
}
