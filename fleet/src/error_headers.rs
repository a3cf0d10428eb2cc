//! The error of a call as headers. The payload is the error's value.

use async_nats::HeaderMap;
use bytes::Bytes;
use isolated_workers::error::{Executed, RemoteError};
use isolated_workers::{Error, ErrorKind};

use crate::headers;

const NAME: &str = "iw-fleet-error-name";
const TEXT: &str = "iw-fleet-error-text";
const CODE: &str = "iw-fleet-error-code";
const STACK: &str = "iw-fleet-error-stack";
const CAUSE: &str = "iw-fleet-error-cause";
const EXECUTED: &str = "iw-fleet-executed";
/// Present if the payload is the error's value. Without it, the error has none.
const VALUE: &str = "iw-fleet-error-value";

/// Maximum size in bytes of each text of an error. Longer ones are cut.
const MAX_TEXT_BYTES: usize = 8 << 10;
/// Maximum number of causes.
const MAX_CAUSES: usize = 16;

/// Converts an error to headers and a payload.
pub(crate) fn write(error: &Error) -> (HeaderMap, Bytes) {
    let mut remote = error.to_remote();
    // The error is that of the call itself, also if a worker of the machine has sent it.
    if error.kind() != ErrorKind::Remote {
        remote.code = Some(error.kind().code().to_owned());
    }
    let mut written = HeaderMap::new();
    written.insert(headers::KIND, headers::ERROR);
    written.insert(EXECUTED, executed_name(error.executed()));
    headers::append_text(&mut written, NAME, cut(&remote.name));
    headers::append_text(&mut written, TEXT, cut(&remote.message));
    if let Some(code) = &remote.code {
        headers::append_text(&mut written, CODE, cut(code));
    }
    if let Some(stack) = &remote.stack {
        headers::append_text(&mut written, STACK, cut(stack));
    }
    for cause in remote.chain.iter().take(MAX_CAUSES) {
        headers::append_text(&mut written, CAUSE, cut(cause));
    }
    if remote.data.is_some() {
        written.insert(VALUE, "1");
    }
    (written, remote.data.unwrap_or_default())
}

/// Removes the value, which is too large for the server.
pub(crate) fn without_value(written: &HeaderMap) -> HeaderMap {
    let kept = written.iter().filter(|(name, _)| AsRef::<str>::as_ref(name) != VALUE);
    let mut headers = HeaderMap::new();
    for (name, values) in kept {
        values.iter().for_each(|value| headers.append(name.clone(), value.clone()));
    }
    headers
}

/// Reads the error that a machine has sent as the answer to `message`.
pub(crate) fn read(message: &str, read: &HeaderMap, payload: Bytes) -> Error {
    let text = |name| headers::text(read, name);
    let mut remote = RemoteError::new(
        text(NAME).unwrap_or_else(|| "Error".to_owned()),
        text(TEXT).unwrap_or_else(|| "the machine sent an error without a text".to_owned()),
    );
    (remote.code, remote.stack) = (text(CODE), text(STACK));
    let causes = read.get_all(CAUSE).take(MAX_CAUSES);
    remote.chain = causes.filter_map(|cause| headers::unescape(cause.as_str())).collect();
    if read.get(VALUE).is_some() {
        remote.data = Some(payload);
    }
    let error = Error::remote(message, remote);
    match text(EXECUTED).as_deref() {
        Some("no") => error.with_executed(Executed::No),
        Some("maybe") => error.with_executed(Executed::Maybe),
        Some("yes") => error.with_executed(Executed::Yes),
        _ => error.after_attempt(Executed::Maybe),
    }
}

fn executed_name(executed: Executed) -> &'static str {
    match executed {
        Executed::No => "no",
        Executed::Yes => "yes",
        _ => "maybe",
    }
}

fn cut(text: &str) -> &str {
    let mut end = text.len().min(MAX_TEXT_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kind_execution_and_text_of_every_error_come_back() {
        for &kind in ErrorKind::ALL {
            for executed in [Executed::No, Executed::Maybe, Executed::Yes] {
                let error = Error::with_source(kind, "why\nnot", std::io::Error::other("a cause"));
                let (headers, payload) = write(&error.with_executed(executed));
                let arrived = read("add", &headers, payload);
                assert_eq!((arrived.kind(), arrived.executed()), (kind, executed));
                assert!(arrived.to_string().ends_with("why\nnot"), "{arrived}");
                assert_eq!(arrived.remote_error().unwrap().chain, ["a cause"]);
            }
        }
    }

    #[test]
    fn the_value_of_an_error_is_the_payload() {
        let mut remote = RemoteError::new("DivideError", "division by zero");
        remote.data = Some(Bytes::from_static(b"\"zero\""));
        let (headers, payload) = write(&Error::remote("divide", remote));
        let arrived = read("divide", &headers, payload);
        assert_eq!(arrived.remote_error().unwrap().data.as_deref(), Some(&b"\"zero\""[..]));
    }

    #[test]
    fn an_error_without_headers_still_is_an_error() {
        let arrived = read("add", &HeaderMap::new(), Bytes::new());
        assert_eq!((arrived.kind(), arrived.executed()), (ErrorKind::Remote, Executed::Yes));
    }
}
