//! Errors of calls and requests.

use std::time::Duration;

use super::bounds::MAX_UNREAD_ANSWER_BYTES;
use super::streams::{Breach, CallerWait, Side};
use crate::{Error, ErrorKind, Executed, Name, RemoteError, TxId};

#[cold]
pub(super) fn duplicate_id(name: &str, id: TxId) -> Error {
    let cause = format!("an earlier call with the id {id} has not been answered yet");
    let remedy = "use an id generator that does not repeat ids";
    Error::new(ErrorKind::DuplicateId, format!("could not call `{name}`: {cause}; {remedy}"))
}

#[cold]
pub(super) fn reused_id(name: &str, id: TxId) -> Error {
    let cause = format!("the peer reused the id {id} before its earlier request was answered");
    let remedy = "make the peer reuse an id only after its answer";
    Error::new(ErrorKind::Protocol, format!("could not accept `{name}`: {cause}; {remedy}"))
}

#[cold]
pub(super) fn too_many_requests(requests: usize, bytes: usize) -> Error {
    let cause = format!("{requests} requests of the peer, of {bytes} bytes, are not answered yet");
    let remedy = "make the peer wait for answers before it sends more requests";
    Error::new(ErrorKind::Protocol, format!("could not accept a request: {cause}; {remedy}"))
}

#[cold]
pub(super) fn too_many_oneways(bytes: usize) -> Error {
    let cause = format!("oneway messages of the peer that count {bytes} bytes are not finished yet");
    let remedy = "make the peer wait for credit before it sends more";
    Error::new(ErrorKind::Protocol, format!("could not accept a oneway message: {cause}; {remedy}"))
}

#[cold]
pub(super) fn unread_answers() -> Error {
    let cause = format!("the peer left over {MAX_UNREAD_ANSWER_BYTES} bytes of answers unread");
    let remedy = "make the peer read answers while it sends requests";
    Error::new(ErrorKind::Protocol, format!("could not accept a request: {cause}; {remedy}"))
}

#[cold]
pub(super) fn nameless() -> Error {
    let text = "could not call a message: its name is empty; set a name";
    Error::new(ErrorKind::Invalid, text.to_owned())
}

#[cold]
pub(super) fn no_streams(name: &str, refusing: Side) -> Error {
    let side = match refusing {
        Side::Own => "this side",
        Side::Peer => "the peer",
    };
    let cause = format!("it has a stream of items, and {side} has not announced that it takes items");
    let remedy = "use a version of isolated-workers with streams on both sides, and a handshake";
    Error::new(ErrorKind::Unsupported, format!("could not call `{name}`: {cause}; {remedy}"))
        .with_executed(Executed::No)
}

#[cold]
pub(super) fn oneway_items(name: &str) -> Error {
    let text = format!("could not send `{name}`: a oneway message has no items; make it a call");
    Error::new(ErrorKind::Invalid, text)
}

#[cold]
pub(super) fn unexpected_streams(name: &str, refusing: Side) -> Error {
    let (cause, remedy) = match refusing {
        Side::Own => (
            "it has a stream of items, which this side does not take",
            "make the peer keep what the handshake announces",
        ),
        Side::Peer => (
            "it has a stream of items, and the peer has not announced that it takes items",
            "make the peer announce `item_bytes` in its handshake",
        ),
    };
    Error::new(ErrorKind::Protocol, format!("could not accept `{name}`: {cause}; {remedy}"))
}

#[cold]
pub(super) fn unexpected_oneway_streams(name: &str) -> Error {
    let cause = "it is a oneway message and has a stream of items";
    let remedy = "make the peer send it as a request";
    Error::new(ErrorKind::Protocol, format!("could not accept `{name}`: {cause}; {remedy}"))
}

#[cold]
pub(super) fn unexpected_item(id: &TxId, breach: Breach) -> Error {
    let (cause, remedy) = match breach {
        Breach::NoStream => {
            ("the call has no such stream, or it has ended", "send items only in an open stream")
        }
        Breach::NoCredit => ("earlier items were not taken yet", "make the peer wait for credit"),
    };
    let text = format!("could not accept an item of the call {id}: {cause}; {remedy}");
    Error::new(ErrorKind::Protocol, text)
}

#[cold]
pub(super) fn closed(name: &str) -> Error {
    let cause = "the connection to the worker is closed or closing";
    Error::new(ErrorKind::Closed, format!("could not call `{name}`: {cause}; start another worker"))
        .with_executed(Executed::No)
}

#[cold]
pub(super) fn would_deadlock(name: &str) -> Error {
    let cause =
        "the peer takes no further call until one has ended, and those in flight may wait for this one";
    let remedy = "make fewer calls at once whose handlers call back";
    Error::new(ErrorKind::WouldDeadlock, format!("could not call `{name}`: {cause}; {remedy}"))
}

#[cold]
pub(super) fn cancelled(name: &str) -> Error {
    let text =
        format!("could not finish `{name}`: its caller cancelled it; call it again if you need the reply");
    Error::new(ErrorKind::Cancelled, text)
}

#[cold]
pub(super) fn timed_out(name: &Name, timeout: Duration) -> Error {
    let remedy = "raise the timeout of the worker, the message or the call, or set it to zero for no limit";
    let text = format!("could not complete `{name}`: it was not answered within {timeout:?}; {remedy}");
    Error::new(ErrorKind::Timeout, text)
}

#[cold]
pub(super) fn timed_out_at_caller(name: &Name, timeout: Duration, wait: CallerWait) -> Error {
    let (cause, remedy) = match wait {
        CallerWait::UnfinishedItems => {
            ("its caller had not finished the items that had arrived", "take them sooner")
        }
        CallerWait::UnsentItems => ("its caller had not sent all of its items", "send them sooner"),
    };
    let text = format!(
        "could not complete `{name}`: it did not end within {timeout:?}, and {cause}; {remedy}, or raise the \
         timeout of the worker, the message or the call"
    );
    Error::new(ErrorKind::Timeout, text)
}

#[cold]
pub(super) fn unsent(name: &Name, timeout: Duration, is_held: bool) -> Error {
    let cause = if is_held {
        "the worker has not answered as many earlier requests as it takes"
    } else {
        "the worker did not read earlier requests"
    };
    let remedy = "check if it hangs, or send it fewer requests";
    let text = format!("could not send `{name}` within {timeout:?}: {cause}; {remedy}");
    Error::new(ErrorKind::Timeout, text)
}

/// Returns the error that replaces `unsent`, which could not be encoded because of `error`: it
/// keeps the beginning of its text.
#[cold]
pub(super) fn shortened(unsent: &RemoteError, error: &Error) -> RemoteError {
    /// Fits the smallest frame with the text of `error`, also if each character is escaped.
    const MAX_CHARACTERS: usize = 64;
    let start: String = unsent
        .message
        .chars()
        .take(MAX_CHARACTERS)
        .map(|character| if character.is_control() { ' ' } else { character })
        .collect();
    let mut remote = error.to_remote();
    remote.message = format!("{}; its text starts with: {start}", remote.message);
    remote
}
