//! Error texts shared by several transports.

use std::io;

/// Prefixes an error's text with the failed attempt, and keeps the error's kind.
pub(crate) fn with_context(attempt: &str, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{attempt}: {error}"))
}

/// Returns the error of a process that does not have a worker's end of the channel.
pub(crate) fn not_inherited() -> io::Error {
    io::Error::new(
        io::ErrorKind::NotConnected,
        "could not attach to the host: this process was not started with the channel, or has already attached; call \
         `serve` once, in the process that the host starts",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn context_keeps_the_kind_and_precedes_the_cause() {
        let error =
            with_context("could not open /tmp/x", io::Error::new(io::ErrorKind::NotFound, "no such file"));
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert_eq!(error.to_string(), "could not open /tmp/x: no such file");
    }
}
