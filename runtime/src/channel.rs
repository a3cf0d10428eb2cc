//! How a process knows that it is a worker.

use isolated_workers_transport::Transport;

/// Tells the transport and where it is: `unix-socket:/tmp/…`.
const VARIABLE: &str = "ISOLATED_WORKERS_CHANNEL";

/// Whether this process was started by a host, to be its worker.
///
/// A program that is its own worker asks this first thing in `main`. It stays true after `serve` has taken the
/// connection over; it is false in the processes that a worker starts.
pub fn is_worker() -> bool {
    static ANSWER: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
    *ANSWER.get_or_init(|| {
        inherited().is_some_and(|(name, address)| match name.as_str() {
            #[cfg(unix)]
            name if name == isolated_workers_transport::UnixSocket::NAME => {
                isolated_workers_transport::UnixSocket.is_inherited(&address)
            }
            // A transport that is not known here: its variable is all there is to go by.
            _ => true,
        })
    })
}

/// The name of the transport and the address that this process was started with.
pub(crate) fn inherited() -> Option<(String, String)> {
    let value = std::env::var(VARIABLE).ok()?;
    let (name, address) = value.split_once(':')?;
    Some((name.to_owned(), address.to_owned()))
}

/// The variable for the process of a worker.
pub(crate) fn variable<T: Transport>(address: &str) -> (&'static str, String) {
    (VARIABLE, format!("{}:{address}", T::NAME))
}
