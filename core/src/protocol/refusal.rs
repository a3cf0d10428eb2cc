//! What a call is told that is not made, or not finished.

use std::time::Duration;

use crate::{Error, ErrorKind, Executed, Name, TxId};

#[cold]
pub(super) fn duplicate_id(name: &str, id: TxId) -> Error {
    let why = "a call with this id is in flight, or was given up and is not answered yet";
    let what = "use a generator that does not repeat itself";
    Error::new(ErrorKind::DuplicateId, format!("could not call `{name}` with the id {id}: {why}; {what}"))
}

#[cold]
pub(super) fn reused_id(name: &str, id: TxId) -> Error {
    let why = "while its last request of this id was not answered";
    let what = "it may use an id again only when the answer has come";
    Error::new(ErrorKind::Protocol, format!("the other side sent `{name}` with the id {id} {why}; {what}"))
}

#[cold]
pub(super) fn nameless() -> Error {
    let text =
        "could not call a message whose name is empty: there is no form for it on the wire; give it a name";
    Error::new(ErrorKind::Invalid, text.to_owned())
}

#[cold]
pub(super) fn closed(name: &str) -> Error {
    let why = "the connection to the worker is closed or about to close";
    Error::new(ErrorKind::Closed, format!("could not call `{name}`: {why}; start another worker"))
        .with_executed(Executed::No)
}

#[cold]
pub(super) fn given_up(name: &str) -> Error {
    let what = "call it again where its reply is wanted after all";
    Error::new(ErrorKind::Cancelled, format!("`{name}` was not finished: its caller has given it up; {what}"))
}

#[cold]
pub(super) fn timed_out(name: &Name, timeout: Duration) -> Error {
    let what = "set another limit for the worker, the message or the call, or zero for none";
    Error::new(ErrorKind::Timeout, format!("`{name}` was not answered within {timeout:?}; {what}"))
}
