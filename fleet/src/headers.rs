//! Headers of requests and replies. The payload of either is the body, encoded by its codec.
//!
//! Metadata are headers of their own names. Names that begin with `iw-fleet` are those below.

use std::borrow::Cow;
use std::fmt::Write;
use std::time::Duration;

use async_nats::HeaderMap;
use isolated_workers::error::Executed;
use isolated_workers::protocol::{Limits, Metadata, Request};
use isolated_workers::{Error, ErrorKind};

/// Kind of a message to a caller: [`FULL`], [`ERROR`], or no header for a reply.
pub(crate) const KIND: &str = "iw-fleet";
/// Time that the caller waits, in milliseconds.
pub(crate) const TIMEOUT: &str = "iw-fleet-timeout";
/// Number of retries after a crash.
pub(crate) const RETRY: &str = "iw-fleet-retry";
/// Present if the message is idempotent.
pub(crate) const IDEMPOTENT: &str = "iw-fleet-idempotent";
/// Present if the message has no reply.
pub(crate) const ONEWAY: &str = "iw-fleet-oneway";
/// Id that the caller has chosen for its call.
pub(crate) const ID: &str = "iw-fleet-id";
/// Id of the machine that sends.
pub(crate) const MACHINE: &str = "iw-fleet-machine";

/// [`KIND`] of a machine that has not taken a call, because it has no room.
pub(crate) const FULL: &str = "full";
/// [`KIND`] of the error of a call.
pub(crate) const ERROR: &str = "error";

/// Beginning of the names that metadata do not have. Also those of the server's own headers.
const RESERVED: [&str; 2] = ["iw-fleet", "nats-"];

/// Returns the headers of a request. `rest` is the time that its caller still waits. `None` if
/// there are none.
pub(crate) fn of_request(request: &Request, rest: Option<Duration>) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    insert_metadata(&mut headers, request.metadata());
    if let Some(rest) = rest {
        headers.insert(TIMEOUT, rest.as_millis().max(1).to_string());
    }
    if request.retry() > 0 {
        headers.insert(RETRY, request.retry().to_string());
    }
    if request.is_idempotent() {
        headers.insert(IDEMPOTENT, "1");
    }
    if request.is_oneway() {
        headers.insert(ONEWAY, "1");
    }
    if let Some(id) = request.id() {
        headers.insert(ID, escape_value(&id.to_string()).as_ref());
    }
    (!headers.is_empty()).then_some(headers)
}

/// Returns a number from a header. `None` if there is none, or if it is not a number.
pub(crate) fn number(headers: &HeaderMap, name: &'static str) -> Option<u64> {
    headers.get(name)?.as_str().parse().ok()
}

/// Returns the text of a header. `None` if there is none, or if it is not escaped text.
pub(crate) fn text(headers: &HeaderMap, name: &'static str) -> Option<String> {
    unescape(headers.get(name)?.as_str())
}

/// Adds `text` as a header.
pub(crate) fn append_text(headers: &mut HeaderMap, name: &'static str, text: &str) {
    headers.append(name, escape_value(text).as_ref());
}

/// Adds metadata as headers.
pub(crate) fn insert_metadata(headers: &mut HeaderMap, metadata: &Metadata) {
    for (key, value) in metadata.iter() {
        headers.insert(&*escape_key(key), &*escape_value(value));
    }
}

/// Reads the metadata from headers. Ignores headers that are no metadata.
///
/// # Errors
/// `TooLarge` if they exceed the limits of metadata.
pub(crate) fn metadata(headers: &HeaderMap) -> Result<Metadata, Error> {
    let mut metadata = Metadata::new();
    let mut bytes = 0;
    for (name, values) in headers.iter() {
        let (name, Some(value)) = (AsRef::<str>::as_ref(name), values.last()) else { continue };
        if is_reserved(name) {
            continue;
        }
        let (Some(key), Some(value)) = (unescape(name), unescape(value.as_str())) else { continue };
        bytes += key.len() + value.len();
        if bytes > Limits::default().metadata || metadata.len() >= Metadata::MAX_KEYS {
            return Err(too_large());
        }
        metadata.insert(key, value);
    }
    Ok(metadata)
}

#[cold]
fn too_large() -> Error {
    let text = format!(
        "could not read the metadata of a message: they have more than {} keys or {} bytes; send less metadata",
        Metadata::MAX_KEYS,
        Limits::default().metadata
    );
    Error::new(ErrorKind::TooLarge, text).with_executed(Executed::No)
}

fn is_reserved(name: &str) -> bool {
    RESERVED
        .iter()
        .any(|reserved| name.get(..reserved.len()).is_some_and(|start| start.eq_ignore_ascii_case(reserved)))
}

/// Escapes a key as the name of a header.
fn escape_key(key: &str) -> Cow<'_, str> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if key.is_empty() {
        return Cow::Borrowed("%");
    }
    escape(key, if is_reserved(key) { 1 } else { 0 }, is_plain)
}

/// Escapes text as the value of a header: printable ASCII without `%`. Spaces at its beginning and
/// end are escaped, because readers remove them.
fn escape_value(value: &str) -> Cow<'_, str> {
    let last = value.len().saturating_sub(1);
    let edge = value.starts_with(' ') || value.as_bytes().get(last) == Some(&b' ');
    escape(value, 0, |byte| (byte.is_ascii_graphic() && byte != b'%') || (byte == b' ' && !edge))
}

/// Escapes the first `forced` bytes, and those that are not plain, as `%` and two digits.
fn escape(text: &str, forced: usize, is_plain: impl Fn(u8) -> bool) -> Cow<'_, str> {
    if forced == 0 && text.bytes().all(&is_plain) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for (index, byte) in text.bytes().enumerate() {
        if index >= forced && is_plain(byte) {
            escaped.push(char::from(byte));
        } else {
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    Cow::Owned(escaped)
}

/// Reverses the escapes of keys and values, which are those of a token of a subject.
pub(crate) fn unescape(text: &str) -> Option<String> {
    crate::subject::unescape(text).map(Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use isolated_workers::protocol::{Body, Name};

    use super::*;

    #[test]
    fn metadata_of_any_text_come_back() {
        let pairs = [
            ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
            ("", ""),
            ("a key: with\r\nbreaks", " 100 %\r\nX: y "),
            ("iw-fleet", "not ours"),
            ("NATS-Stream", "é"),
        ];
        let sent: Metadata = pairs.into_iter().collect();
        let mut headers = HeaderMap::new();
        insert_metadata(&mut headers, &sent);
        headers.insert(TIMEOUT, "5");
        let read = metadata(&headers).unwrap();
        assert_eq!(read.len(), pairs.len());
        for (key, value) in pairs {
            assert_eq!(read.get(key), Some(value), "{key}");
        }
        assert_eq!(headers.get("traceparent").unwrap().as_str(), pairs[0].1);
    }

    #[test]
    fn too_much_metadata_is_an_error() {
        let mut headers = HeaderMap::new();
        for number in 0..300 {
            headers.insert(format!("key-{number}"), "value");
        }
        assert_eq!(metadata(&headers).unwrap_err().kind(), ErrorKind::TooLarge);
    }

    #[test]
    fn a_plain_request_has_no_headers() {
        let mut request = Request::new(Name::from_static("add"), Body::empty());
        assert!(of_request(&request, None).is_none());
        request.set_idempotent(true);
        let headers = of_request(&request, Some(Duration::from_millis(1500))).unwrap();
        assert_eq!(number(&headers, TIMEOUT), Some(1500));
        assert_eq!(number(&headers, IDEMPOTENT), Some(1));
    }
}
