//! Error of a call, a worker or a connection.
//!
//! A single opaque type. Programs match on [`Error::kind`] and people read the text, so a new cause
//! is not a breaking change. The type is one pointer in size, because it is part of the `Result` of
//! every call. A clone is cheap, because a lost connection fails many calls.

mod conversions;
mod crash;
mod kind;
mod remote;

use std::error::Error as StdError;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

pub use self::crash::{Crash, ExitReason, SandboxEnd, split_backtrace};
pub use self::kind::{ErrorKind, Executed};
pub use self::remote::RemoteError;

/// Boxed error of any type that can be sent and shared between threads.
pub type BoxError = Box<dyn StdError + Send + Sync>;

/// Error of a call, a worker or a connection.
///
/// `Display` writes the failed operation, the cause and a remedy. `{:#}` adds the causes from
/// [`source`](StdError::source) that the text does not contain. `Debug` writes the kind and `{:#}`,
/// because a `main` that returns an error prints it with `Debug`.
#[derive(Clone)]
pub struct Error(Arc<ErrorFields>);

struct ErrorFields {
    kind: ErrorKind,
    executed: Executed,
    text: String,
    detail: Detail,
    source: Option<Arc<dyn StdError + Send + Sync>>,
    /// Origin of the error: the name of a middleware, or `Some(None)` if the error came from the
    /// next service.
    middleware: OnceLock<Option<Box<str>>>,
    /// Number of items of the call's stream that had arrived before.
    items: OnceLock<u64>,
    /// `true` if a call of this process has ended with the error.
    ends_call: AtomicBool,
}

#[derive(Clone)]
enum Detail {
    None,
    Crash(Crash),
    Remote(Box<RemoteError>),
}

impl Error {
    /// Creates an error. `text` names the failed operation, the cause and a remedy.
    pub fn new(kind: ErrorKind, text: impl Into<String>) -> Self {
        Self::build(kind, text.into(), Detail::None, None)
    }

    /// Creates an error with a source. `text` should not repeat the source.
    pub fn with_source(kind: ErrorKind, text: impl Into<String>, source: impl Into<BoxError>) -> Self {
        Self::build(kind, text.into(), Detail::None, Some(source.into().into()))
    }

    /// Creates the error for a worker that crashed, during a call or before it was ready.
    pub fn crashed(crash: Crash) -> Self {
        Self::build(ErrorKind::Crashed, crash.to_string(), Detail::Crash(crash), None)
    }

    /// Creates the error that the peer sent as the answer to `message`.
    pub fn remote(message: &str, remote: RemoteError) -> Self {
        let kind = remote.code.as_deref().and_then(ErrorKind::from_code).unwrap_or(ErrorKind::Remote);
        let text = match kind {
            ErrorKind::Remote => format!("the handler of `{message}` failed: {}", remote.message),
            _ => remote.message.clone(),
        };
        // The handler may have forwarded the error of a call that it made itself. Therefore a kind
        // that implies "not run" proves nothing. `UnknownMessage` does: a forwarded one has no
        // code.
        let executed = match (kind, kind.executed()) {
            (ErrorKind::UnknownMessage, executed) => executed,
            (_, Executed::No) => Executed::Maybe,
            (_, executed) => executed,
        };
        Self::build(kind, text, Detail::Remote(remote.into()), None).with_executed(executed)
    }

    fn build(
        kind: ErrorKind,
        text: String,
        detail: Detail,
        source: Option<Arc<dyn StdError + Send + Sync>>,
    ) -> Self {
        let executed = kind.executed();
        Self(Arc::new(ErrorFields {
            kind,
            executed,
            text,
            detail,
            source,
            middleware: OnceLock::new(),
            items: OnceLock::new(),
            ends_call: AtomicBool::new(false),
        }))
    }

    /// Sets whether the message was run, if more is known than the kind implies. Call it only on a
    /// new error, of which no clone exists.
    ///
    /// # Panics
    /// With debug assertions, if a clone of the error exists.
    pub fn with_executed(self, executed: Executed) -> Self {
        let mut inner = self.0;
        match Arc::get_mut(&mut inner) {
            Some(inner) => inner.executed = executed,
            // A shared error stays unchanged, because the holder of a clone may have acted on it.
            None => debug_assert!(false, "with_executed was called on a shared error; call it on a new one"),
        }
        Self(inner)
    }

    /// Includes earlier attempts of the same call, after which the message may have been run: sets
    /// [`executed`](Self::executed) to `earlier` if that is more. For middleware that calls again.
    pub fn after_attempt(self, earlier: Executed) -> Self {
        if earlier <= self.executed() {
            return self;
        }
        if Arc::strong_count(&self.0) == 1 {
            return self.with_executed(earlier);
        }
        // The holder of a clone may have acted on it.
        let ErrorFields { kind, text, detail, source, middleware, items, ends_call, .. } = &*self.0;
        Self(Arc::new(ErrorFields {
            kind: *kind,
            executed: earlier,
            text: text.clone(),
            detail: detail.clone(),
            source: source.clone(),
            middleware: middleware.clone(),
            items: items.clone(),
            ends_call: AtomicBool::new(ends_call.load(Ordering::Relaxed)),
        }))
    }

    /// Marks the error as the end of a call that this process has made. A handler or a layer that
    /// returns it as its own forwards it.
    #[doc(hidden)]
    pub fn of_call(self) -> Self {
        self.0.ends_call.store(true, Ordering::Relaxed);
        self
    }

    /// Converts the error that a handler has returned. If it is that of another call, it says
    /// nothing about this message, whose handler has run.
    #[doc(hidden)]
    pub fn from_handler(self) -> Self {
        // A layer around the handler has not seen it yet: it has passed one of another call.
        let has_passed_layer = self.0.middleware.get().is_some();
        let earlier = if self.is_forwarded() || has_passed_layer { Executed::Maybe } else { Executed::No };
        self.after_attempt(earlier)
    }

    /// Returns `true` if a call of this process has ended with the error.
    fn is_forwarded(&self) -> bool {
        self.0.ends_call.load(Ordering::Relaxed) || self.remote_error().is_some()
    }

    /// Records the name of the middleware that made the error, unless the origin is already set. A
    /// stack calls it for each middleware. `Display` writes the name before the text, also on the
    /// peer's side.
    pub fn in_middleware(self, name: &str) -> Self {
        self.0.middleware.get_or_init(|| Some(name.into()));
        self
    }

    /// Marks the error as made by the next service. A middleware that only forwards the error is
    /// then not named.
    pub fn from_next(self) -> Self {
        self.0.middleware.get_or_init(|| None);
        self
    }

    /// Name of the middleware in this process that made the error, if any.
    pub fn middleware(&self) -> Option<&str> {
        self.0.middleware.get()?.as_deref()
    }

    /// Records that the error ended a stream after `items` items, unless that is recorded already.
    /// `Display` writes the number after the text. After an item, [`executed`](Self::executed) is
    /// never `No`: the handler has sent it.
    pub fn after_items(self, items: u64) -> Self {
        self.0.items.get_or_init(|| items);
        if items > 0 { self.after_attempt(Executed::Maybe) } else { self }
    }

    /// Number of items that had arrived before the error ended their stream. `None` if the call was
    /// not answered with items.
    pub fn items(&self) -> Option<u64> {
        self.0.items.get().copied()
    }

    /// Kind of the error, to match on.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Returns whether the message was run. Retry a message that is not idempotent only after
    /// [`Executed::No`].
    pub fn executed(&self) -> Executed {
        self.0.executed
    }

    /// Details of the crash, if the worker crashed.
    pub fn crash(&self) -> Option<&Crash> {
        match &self.0.detail {
            Detail::Crash(crash) => Some(crash),
            _ => None,
        }
    }

    /// Error that the peer sent, if any.
    pub fn remote_error(&self) -> Option<&RemoteError> {
        match &self.0.detail {
            Detail::Remote(remote) => Some(remote),
            _ => None,
        }
    }

    /// Converts the error to the form that is sent to the peer.
    ///
    /// `UnknownMessage` tells the peer that its message was not run. If the error is that of
    /// another call, it is therefore sent without its code, and arrives as `Remote`.
    pub fn to_remote(&self) -> RemoteError {
        let is_of_other = self.kind() == ErrorKind::UnknownMessage
            && (self.is_forwarded() || self.executed() != Executed::No);
        if let Some(remote) = self.remote_error() {
            let mut remote = remote.clone();
            if is_of_other {
                remote.code = None;
            }
            return remote;
        }
        let mut remote = RemoteError::new(format!("{:?}", self.kind()), self.to_string());
        remote.code = (!is_of_other).then(|| self.kind().code().to_owned());
        // A source has a user-defined type, and its `Display` may panic. The peer still gets an
        // answer.
        let chain = || causes(self).map(ToString::to_string).collect();
        remote.chain = catch_unwind(AssertUnwindSafe(chain))
            .unwrap_or_else(|_| vec!["the `Display` of a cause panicked".to_owned()]);
        remote
    }
}

/// Causes of an error, the nearest first.
fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(error.source(), |&cause| cause.source())
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(middleware) = self.middleware() {
            write!(f, "in the middleware `{middleware}`: ")?;
        }
        f.write_str(&self.0.text)?;
        if let Some(items) = self.items() {
            write!(f, "; the stream ended after {items} item{}", if items == 1 { "" } else { "s" })?;
        }
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
    fn the_alternate_form_adds_causes_that_the_text_lacks() {
        let error = Error::with_source(
            ErrorKind::Spawn,
            "could not start `worker`",
            std::io::Error::other("no such file"),
        );
        assert_eq!(error.to_string(), "could not start `worker`");
        assert_eq!(format!("{error:#}"), "could not start `worker`: no such file");
        assert_eq!(format!("{error:?}"), "Spawn: could not start `worker`: no such file");
        let included =
            Error::with_source(ErrorKind::Decode, "no `add`: no number", std::io::Error::other("no number"));
        assert_eq!(format!("{included:#}"), "no `add`: no number");
    }

    #[test]
    fn an_error_includes_what_earlier_attempts_did() {
        let refused = || Error::new(ErrorKind::Overloaded, "full").in_middleware("LoadShed");
        for (earlier, executed) in
            [(Executed::No, Executed::No), (Executed::Maybe, Executed::Maybe), (Executed::Yes, Executed::Yes)]
        {
            assert_eq!(refused().after_attempt(earlier).executed(), executed);
            let shared = refused();
            let error = shared.clone().after_attempt(earlier);
            assert_eq!((shared.executed(), error.executed()), (Executed::No, executed));
            assert_eq!(format!("{error:?}"), format!("{shared:?}"));
        }
        let ran = Error::new(ErrorKind::Remote, "no").after_attempt(Executed::Maybe);
        assert_eq!(ran.executed(), Executed::Yes);
    }

    #[test]
    fn an_error_after_an_item_is_never_one_of_a_message_that_was_not_run() {
        for (items, executed) in [(0, Executed::No), (1, Executed::Maybe)] {
            let error = Error::new(ErrorKind::UnknownMessage, "no").after_items(items);
            assert_eq!((error.items(), error.executed()), (Some(items), executed));
            // The number of the first record counts.
            let error = error.after_items(7);
            assert_eq!((error.items(), error.executed()), (Some(items), Executed::Maybe));
        }
        let ran = Error::new(ErrorKind::Remote, "no").after_items(1);
        assert_eq!(ran.executed(), Executed::Yes);
    }

    #[test]
    fn the_middleware_that_made_an_error_is_named() {
        let made = Error::new(ErrorKind::Denied, "no token").in_middleware("Auth").in_middleware("Trace");
        assert_eq!(made.to_string(), "in the middleware `Auth`: no token");
        assert_eq!(Error::remote("add", made.to_remote()).to_string(), made.to_string());
        let passed = Error::new(ErrorKind::Denied, "no token").from_next().in_middleware("Trace");
        assert_eq!((passed.to_string().as_str(), passed.middleware()), ("no token", None));
    }

    #[test]
    fn every_kind_survives_the_wire() {
        for &kind in ErrorKind::ALL {
            let error = Error::new(kind, "why");
            let there = Error::remote("add", error.to_remote());
            let expected = if kind == ErrorKind::Remote { "the handler of `add` failed: why" } else { "why" };
            assert_eq!((there.kind(), there.to_string().as_str()), (kind, expected));
        }
    }

    #[test]
    fn a_source_whose_display_panics_still_gives_an_answer() {
        #[derive(Debug)]
        struct Hostile;
        impl fmt::Display for Hostile {
            fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
                panic!("no text")
            }
        }
        impl StdError for Hostile {}
        let error = Error::with_source(ErrorKind::Middleware, "it failed", Hostile);
        let remote = error.to_remote();
        assert_eq!((&*remote.message, remote.chain.len()), ("it failed", 1));
    }

    #[test]
    fn a_code_of_a_handler_does_not_change_the_kind() {
        let mut remote = RemoteError::new("MyError", "no");
        remote.code = Some("E_MY".into());
        let error = Error::remote("add", remote);
        assert_eq!(error.kind(), ErrorKind::Remote);
        assert_eq!(error.remote_error().unwrap().code.as_deref(), Some("E_MY"));
    }
}
