//! The texts of errors that several transports have.

use std::io;

/// The error with what was attempted before it.
pub(crate) fn because(attempt: &str, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{attempt}: {error}"))
}

/// The end that a worker is to take over is not there.
pub(crate) fn not_inherited() -> io::Error {
    io::Error::new(
        io::ErrorKind::NotConnected,
        "the standard input of this process is not that of its host; leave it alone until `serve`",
    )
}
