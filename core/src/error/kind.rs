/// Declares each kind with its code on the wire.
macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $code:literal, $executed:ident;)*) => {
        /// Kind of an [`Error`](crate::Error), to match on.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ErrorKind {
            $($(#[$doc])* $kind,)*
        }

        impl ErrorKind {
            /// All kinds.
            pub const ALL: &'static [Self] = &[$(Self::$kind),*];

            /// Code of this kind on the wire. It never changes.
            pub const fn code(self) -> &'static str {
                match self {
                    $(Self::$kind => $code,)*
                }
            }

            /// Kind with this code. `None` if the code is unknown.
            pub fn from_code(code: &str) -> Option<Self> {
                match code {
                    $($code => Some(Self::$kind),)*
                    _ => None,
                }
            }

            /// Default of [`Error::executed`](crate::Error::executed).
            pub(super) const fn executed(self) -> Executed {
                match self {
                    $(Self::$kind => Executed::$executed,)*
                }
            }
        }
    };
}

kinds! {
    /// A setting is invalid. Detected before anything was started.
    Config = "IW_CONFIG", No;
    /// The program of the worker could not be started: it is missing or not executable, or its
    /// working directory is invalid.
    Spawn = "IW_SPAWN", No;
    /// The worker was started but did not become ready: it exited, declined to start, or did not
    /// answer within the startup timeout.
    Startup = "IW_STARTUP", No;
    /// The worker could not be confined as its host asked, or is not confined. It was not used.
    Sandbox = "IW_SANDBOX", No;
    /// Host and worker do not match: their protocols, codecs, transports or services differ. Also:
    /// the host does not know the worker's token, or the peer speaks another protocol.
    Handshake = "IW_HANDSHAKE", No;
    /// The worker or its connection was closed by either side.
    Closed = "IW_CLOSED", Maybe;
    /// The worker crashed, or its connection broke.
    Crashed = "IW_CRASHED", Maybe;
    /// The call did not finish within its timeout.
    Timeout = "IW_TIMEOUT", Maybe;
    /// The caller cancelled the call.
    Cancelled = "IW_CANCELLED", Maybe;
    /// The handler returned an error.
    Remote = "IW_REMOTE", Yes;
    /// The handler, or other user code that the call ran, panicked.
    Panicked = "IW_PANICKED", Yes;
    /// The worker has no handler for a message of this name.
    UnknownMessage = "IW_UNKNOWN_MESSAGE", No;
    /// A value could not be encoded.
    Encode = "IW_ENCODE", Maybe;
    /// Bytes could not be decoded as the expected type.
    Decode = "IW_DECODE", Maybe;
    /// A frame or a value exceeds the limits.
    TooLarge = "IW_TOO_LARGE", Maybe;
    /// The peer broke the protocol. Its connection is closed.
    Protocol = "IW_PROTOCOL", Maybe;
    /// The id of the call is in use.
    DuplicateId = "IW_DUPLICATE_ID", No;
    /// Too many calls are waiting: the call was not admitted, or another call displaced it.
    Overloaded = "IW_OVERLOADED", No;
    /// The call would wait for itself: an earlier call of its chain may hold the permit that it
    /// needs or keep its connection full, or the chain of calls that call back is too long.
    WouldDeadlock = "IW_WOULD_DEADLOCK", No;
    /// The call needs a part of the protocol that the peer does not support.
    Unsupported = "IW_UNSUPPORTED", No;
    /// The caller is not authenticated or not authorized.
    Denied = "IW_DENIED", No;
    /// The message is not valid for the service.
    Invalid = "IW_INVALID", No;
    /// A middleware failed for a reason that no other kind covers.
    Middleware = "IW_MIDDLEWARE", Maybe;
}

/// Execution state of the message of a failed call. Ordered: `No` < `Maybe` < `Yes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Executed {
    /// The message was not run: no handler saw it.
    No,
    /// Unknown: the message may have reached the worker.
    Maybe,
    /// The message was run, at least in part: its handler answered.
    Yes,
}
