//! Encoding of a frame as an object.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::{BufMut, BytesMut};
use isolated_workers_core::{Body, Frame, GoAway, Metadata, Role, Streams, TxId};

use super::error_payload;
use crate::FrameError;

/// Suffix of the name of a reply.
pub(super) const RESULT_SUFFIX: &str = "Result";

/// Suffix of the name of an error.
pub(super) const ERROR_SUFFIX: &str = "Error";

/// Roles, as values of `items` and `from`.
pub(super) const CALLER: &str = "caller";
pub(super) const CALLEE: &str = "callee";
pub(super) const BOTH: &str = "both";

/// Payloads of a go-away.
pub(super) const DRAIN: &str = "drain";
pub(super) const PREPARE_DETACH: &str = "prepare_detach";
pub(super) const DETACH: &str = "detach";

/// Appends the object of `frame`.
///
/// A request has no `kind`, for peers that do not know the key. If its name has the suffix of a
/// reply or an error, it has a `kind`.
pub(super) fn encode(frame: &Frame, out: &mut BytesMut) -> Result<(), FrameError> {
    match frame {
        Frame::Request { id, request } => {
            let name = request.name();
            out.put_slice(b"{\"type\":");
            put_string(&[name], out);
            put_payload(request.body(), out);
            out.put_slice(b",\"tx\":");
            put_id(id, out)?;
            if request.is_oneway() {
                out.put_slice(b",\"kind\":\"oneway\"");
            } else if name.ends_with(RESULT_SUFFIX) || name.ends_with(ERROR_SUFFIX) {
                out.put_slice(b",\"kind\":\"request\"");
            }
            put_streams(request.streams(), out);
            put_timeout(frame.timeout(), out)?;
            put_metadata(request.metadata(), out)?;
        }
        Frame::Reply { id, name, response } => {
            put_answer(id, &[name.as_str(), RESULT_SUFFIX], "reply", out)?;
            put_payload(response.body(), out);
            put_metadata(response.metadata(), out)?;
        }
        Frame::Error { id, name, error } => {
            put_answer(id, &[name.as_str(), ERROR_SUFFIX], "error", out)?;
            out.put_slice(b",\"payload\":");
            error_payload::encode(error, out)?;
        }
        Frame::Cancel { id } => {
            out.put_slice(b"{\"kind\":\"cancel\",\"tx\":");
            put_id(id, out)?;
        }
        Frame::Ping => out.put_slice(b"{\"kind\":\"ping\""),
        Frame::Pong => out.put_slice(b"{\"kind\":\"pong\""),
        Frame::Credit { bytes } => {
            out.put_slice(b"{\"kind\":\"credit\",\"payload\":");
            put_number(*bytes, out)?;
        }
        Frame::Item { id, from, body } => {
            put_items("item", id, *from, out)?;
            put_payload(body, out);
        }
        Frame::ItemsEnd { id } => put_items("items_end", id, Role::Callee, out)?,
        Frame::ItemCredit { id, from, bytes } => {
            put_items("item_credit", id, *from, out)?;
            out.put_slice(b",\"payload\":");
            put_number(*bytes, out)?;
        }
        Frame::GoAway(go_away) => {
            out.put_slice(b"{\"kind\":\"go_away\"");
            match go_away {
                GoAway::End => {}
                GoAway::Linger(linger) => put_timeout(Some(*linger), out)?,
                GoAway::Drain => put_go_away(DRAIN, out),
                GoAway::PrepareDetach => put_go_away(PREPARE_DETACH, out),
                GoAway::Detach => put_go_away(DETACH, out),
                _ => return Err(FrameError::UnknownKind),
            }
        }
        _ => return Err(FrameError::UnknownKind),
    }
    if let Some(attachments) = frame.body().and_then(Body::attachments) {
        out.put_slice(b",\"descriptors\":");
        put_number(attachments.len() as u64, out)?;
    }
    out.put_u8(b'}');
    Ok(())
}

/// Appends who sends items, if anybody does.
fn put_streams(streams: Streams, out: &mut BytesMut) {
    let items = match (streams.from_caller, streams.from_callee) {
        (false, false) => return,
        (true, false) => CALLER,
        (false, true) => CALLEE,
        (true, true) => BOTH,
    };
    out.put_slice(b",\"items\":");
    put_string(&[items], out);
}

/// Appends the beginning of a frame about items. A callee needs no `from`.
fn put_items(kind: &str, id: &TxId, from: Role, out: &mut BytesMut) -> Result<(), FrameError> {
    out.put_slice(b"{\"kind\":");
    put_string(&[kind], out);
    out.put_slice(b",\"tx\":");
    put_id(id, out)?;
    if from == Role::Caller {
        out.put_slice(b",\"from\":");
        put_string(&[CALLER], out);
    }
    Ok(())
}

fn put_go_away(payload: &str, out: &mut BytesMut) {
    out.put_slice(b",\"payload\":");
    put_string(&[payload], out);
}

fn put_answer(id: &TxId, name: &[&str], kind: &str, out: &mut BytesMut) -> Result<(), FrameError> {
    out.put_slice(b"{\"tx\":");
    put_id(id, out)?;
    out.put_slice(b",\"type\":");
    put_string(name, out);
    out.put_slice(b",\"kind\":");
    put_string(&[kind], out);
    Ok(())
}

/// Appends the payload. If it is empty, appends no key.
fn put_payload(body: &Body, out: &mut BytesMut) {
    let body = body.as_bytes();
    if !body.is_empty() && body != b"null" {
        out.put_slice(b",\"payload\":");
        out.put_slice(body);
    }
}

fn put_metadata(metadata: &Metadata, out: &mut BytesMut) -> Result<(), FrameError> {
    if metadata.is_empty() {
        return Ok(());
    }
    FrameError::check_keys(metadata.len())?;
    out.put_slice(b",\"meta\":");
    let pairs: BTreeMap<_, _> = metadata.iter().collect();
    serde_json::to_writer(out.writer(), &pairs).map_err(FrameError::malformed)
}

fn put_timeout(timeout: Option<Duration>, out: &mut BytesMut) -> Result<(), FrameError> {
    let Some(timeout) = timeout else { return Ok(()) };
    out.put_slice(b",\"timeout\":");
    match u64::try_from(timeout.as_millis()) {
        Ok(millis) if timeout.subsec_nanos() % 1_000_000 == 0 => put_number(millis, out),
        _ => {
            serde_json::to_writer(out.writer(), &(timeout.as_secs_f64() * 1e3)).map_err(FrameError::malformed)
        }
    }
}

fn put_number(number: u64, out: &mut BytesMut) -> Result<(), FrameError> {
    serde_json::to_writer(out.writer(), &number).map_err(FrameError::malformed)
}

fn put_id(id: &TxId, out: &mut BytesMut) -> Result<(), FrameError> {
    match id.as_number() {
        Some(number) => {
            out.put_u8(b'"');
            put_number(number, out)?;
            out.put_u8(b'"');
        }
        None => put_string(&[&id.to_string()], out),
    }
    Ok(())
}

/// Appends the concatenated parts as one string.
fn put_string(parts: &[&str], out: &mut BytesMut) {
    out.put_u8(b'"');
    for part in parts {
        if part.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\') {
            out.put_slice(part.as_bytes());
        } else {
            let quoted = serde_json::Value::from(*part).to_string();
            out.put_slice(&quoted.as_bytes()[1..quoted.len() - 1]);
        }
    }
    out.put_u8(b'"');
}
