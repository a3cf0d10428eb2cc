//! Exit codes, one per kind of failure.

use isolated_workers::{Error, ErrorKind};

/// Usage: a command, an address or JSON that is invalid.
pub(crate) const USAGE: u8 = 2;
/// A value does not fit its type, its limit or its codec.
pub(crate) const VALUE: u8 = 8;
/// A comparison found a difference.
pub(crate) const DIFFERENT: u8 = 9;
/// Hosts of one version of a service cannot call workers of the other version.
pub(crate) const ONE_WAY: u8 = 11;
/// Neither version can call the other one.
pub(crate) const BREAKING: u8 = 12;
/// Any other failure.
pub(crate) const OTHER: u8 = 10;
/// Ctrl-C.
pub(crate) const INTERRUPTED: u8 = 130;

/// Exit code of an error of the library.
pub(crate) fn of_error(error: &Error) -> u8 {
    match error.kind() {
        ErrorKind::Remote | ErrorKind::Panicked => 1,
        ErrorKind::Config => USAGE,
        ErrorKind::Spawn | ErrorKind::Startup | ErrorKind::Sandbox => 3,
        ErrorKind::Handshake => 4,
        ErrorKind::Crashed | ErrorKind::Closed | ErrorKind::Protocol => 5,
        ErrorKind::Timeout => 6,
        ErrorKind::UnknownMessage
        | ErrorKind::Denied
        | ErrorKind::Invalid
        | ErrorKind::Overloaded
        | ErrorKind::Unsupported
        | ErrorKind::WouldDeadlock
        | ErrorKind::DuplicateId => 7,
        ErrorKind::Encode | ErrorKind::Decode | ErrorKind::TooLarge => VALUE,
        _ => OTHER,
    }
}
