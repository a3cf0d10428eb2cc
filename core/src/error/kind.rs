/// Declares the kinds once, with the code that tells each of them on the wire.
macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $code:literal, $executed:ident;)*) => {
        /// What went wrong, to decide by.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ErrorKind {
            $($(#[$doc])* $kind,)*
        }

        impl ErrorKind {
            /// Every kind there is.
            pub const ALL: [Self; [$($code),*].len()] = [$(Self::$kind),*];

            /// The code that tells this kind on the wire. It never changes.
            pub const fn code(self) -> &'static str {
                match self {
                    $(Self::$kind => $code,)*
                }
            }

            /// The kind of this code, if it is one.
            pub fn from_code(code: &str) -> Option<Self> {
                match code {
                    $($code => Some(Self::$kind),)*
                    _ => None,
                }
            }

            /// What is known of the message when nothing more is said.
            pub(super) const fn executed(self) -> Executed {
                match self {
                    $(Self::$kind => Executed::$executed,)*
                }
            }
        }
    };
}

kinds! {
    /// A setting makes no sense; found before anything was started.
    Config = "IW_CONFIG", No;
    /// The program of the worker could not be started: not there, not executable, a bad working directory.
    Spawn = "IW_SPAWN", No;
    /// The worker was started and did not come up: it ended or said nothing until the startup timeout.
    Startup = "IW_STARTUP", No;
    /// Host and worker do not fit together: another protocol, codec or service.
    Handshake = "IW_HANDSHAKE", No;
    /// The worker was closed, by this side or the other.
    Closed = "IW_CLOSED", Maybe;
    /// The worker died, or its connection broke.
    Crashed = "IW_CRASHED", Maybe;
    /// The time for the call was over.
    Timeout = "IW_TIMEOUT", Maybe;
    /// The call was given up.
    Cancelled = "IW_CANCELLED", Maybe;
    /// The handler returned an error.
    Remote = "IW_REMOTE", Yes;
    /// The handler panicked.
    Panicked = "IW_PANICKED", Yes;
    /// The worker has no handler for a message of this name.
    UnknownMessage = "IW_UNKNOWN_MESSAGE", No;
    /// A value could not be turned into bytes.
    Encode = "IW_ENCODE", Maybe;
    /// Bytes could not be turned into the value that was expected.
    Decode = "IW_DECODE", Maybe;
    /// A frame, or the value in one, is larger than the limits allow.
    TooLarge = "IW_TOO_LARGE", Maybe;
    /// The other side broke the rules of the protocol; its connection is closed.
    Protocol = "IW_PROTOCOL", Maybe;
    /// The id chosen for the call is still in use.
    DuplicateId = "IW_DUPLICATE_ID", No;
    /// There is more to do than there is room for: the call was not taken in, or made way for another.
    Overloaded = "IW_OVERLOADED", No;
    /// The caller may not do this, or has not shown that it may.
    Denied = "IW_DENIED", No;
    /// The message is one that the service does not accept.
    Invalid = "IW_INVALID", No;
    /// A middleware failed, for a reason that has no kind of its own.
    Middleware = "IW_MIDDLEWARE", Maybe;
}

/// Whether a message whose call failed may have been run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Executed {
    /// It was not: no handler saw it.
    No,
    /// Nobody can tell: it had left for the worker.
    Maybe,
    /// It was, at least in part: its handler answered.
    Yes,
}
