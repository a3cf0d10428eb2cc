//! Errors of calls that no machine has answered.

use std::time::Duration;

use async_nats::client::{PublishError, PublishErrorKind};
use isolated_workers::error::Executed;
use isolated_workers::protocol::Request;
use isolated_workers::{Error, ErrorKind};

/// Name of a call for the texts of errors.
#[derive(Clone, Copy)]
pub(crate) struct CallName<'a> {
    pub(crate) method: &'a str,
    pub(crate) fleet: &'a str,
}

impl std::fmt::Display for CallName<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "could not call `{}` of the fleet `{}`", self.method, self.fleet)
    }
}

/// No machine serves this service, fingerprint and codec.
pub(crate) fn no_machine(call: CallName<'_>, service: &str, codec: &str) -> Error {
    let text = format!(
        "{call}: no machine serves {service} with the codec {codec}; start one, or build both sides from the same \
         definitions"
    );
    Error::new(ErrorKind::Closed, text).with_executed(Executed::No)
}

/// All machines were full for as long as the call may wait.
pub(crate) fn all_full(call: CallName<'_>, waited: Duration) -> Error {
    let text = format!(
        "{call}: all machines are full since {waited:?}; add machines, call less, or raise `RemoteBuilder::full_wait`"
    );
    Error::new(ErrorKind::Overloaded, text).with_executed(Executed::No)
}

/// Nobody has said for too long that the call is running.
pub(crate) fn silent(
    call: CallName<'_>,
    machine: Option<&str>,
    silence: Duration,
    is_connected: bool,
) -> Error {
    let text = match (is_connected, machine) {
        (false, _) => {
            format!("{call}: the connection to the NATS server is lost; check the server and the network")
        }
        (true, Some(machine)) => format!(
            "{call}: the machine `{machine}` began it and has been silent for {silence:?}; check whether it died or \
             is cut off"
        ),
        (true, None) => format!(
            "{call}: the machine that got it has been silent for {silence:?}; check whether it died or is cut off"
        ),
    };
    Error::new(ErrorKind::Crashed, text).with_executed(Executed::Maybe)
}

/// The time of the call has run out.
pub(crate) fn timed_out(call: CallName<'_>, timeout: Duration, executed: Executed) -> Error {
    let text = format!("{call}: it was not answered within {timeout:?}; raise the timeout");
    Error::new(ErrorKind::Timeout, text).with_executed(executed)
}

/// The client is not connected to a server.
pub(crate) fn not_connected(call: CallName<'_>) -> Error {
    let text = format!("{call}: there is no connection to the NATS server; check the server and the network");
    Error::new(ErrorKind::Closed, text).with_executed(Executed::No)
}

/// The client could not take a message.
pub(crate) fn unsent(call: CallName<'_>, error: &PublishError, max_payload: usize) -> Error {
    match error.kind() {
        PublishErrorKind::MaxPayloadExceeded => {
            let text = format!(
                "{call}: body and headers have more than the {max_payload} bytes that the NATS server takes; raise \
                 `max_payload` there, or send less"
            );
            Error::new(ErrorKind::TooLarge, text).with_executed(Executed::No)
        }
        _ => {
            let text = format!("{call}: the NATS client is closed: {error}; connect a new one");
            Error::new(ErrorKind::Closed, text).with_executed(Executed::No)
        }
    }
}

/// The reply is larger than what the server takes.
pub(crate) fn reply_too_large(method: &str, bytes: usize, max_payload: usize) -> Error {
    let text = format!(
        "could not send the reply to `{method}`: it has {bytes} bytes, and the NATS server takes {max_payload}; raise \
         `max_payload` there, or reply with less"
    );
    Error::new(ErrorKind::TooLarge, text).with_executed(Executed::Yes)
}

/// The call has streams.
pub(crate) fn has_streams(call: CallName<'_>) -> Error {
    let text = format!(
        "{call}: a fleet takes no streams; pass the items in a list, or call a worker of this machine"
    );
    Error::new(ErrorKind::Unsupported, text).with_executed(Executed::No)
}

/// The request does not say which service it is for.
pub(crate) fn unknown_service(call: CallName<'_>, request: &Request) -> Error {
    let text = match request.service() {
        Some(service) => format!(
            "{call}: the fingerprint of the service `{service}` is not known; pass its schema to \
             `RemoteBuilder::service`"
        ),
        None => format!("{call}: its service is not known; pass its schema to `RemoteBuilder::service`"),
    };
    Error::new(ErrorKind::Config, text).with_executed(Executed::No)
}

/// A subscription could not be made.
pub(crate) fn unsubscribed(fleet: &str, error: impl std::fmt::Display) -> Error {
    let text = format!(
        "could not subscribe for the fleet `{fleet}`: {error}; check that the NATS client is open and the subject valid"
    );
    Error::new(ErrorKind::Closed, text).with_executed(Executed::No)
}

/// The handler of a machine has panicked.
pub(crate) fn panicked(method: &str, what: &str) -> Error {
    Error::new(ErrorKind::Panicked, format!("the service of `{method}` panicked: {what}"))
}

/// The call was cancelled at its machine.
pub(crate) fn cancelled(method: &str) -> Error {
    let text = format!("`{method}` was cancelled at its machine; drain a machine to let its calls end");
    Error::new(ErrorKind::Cancelled, text).with_executed(Executed::Maybe)
}
