//! Body of a binary error frame.

use bytes::{BufMut, Bytes, BytesMut};
use isolated_workers_core::RemoteError;

use super::fields::{Fields, put_bytes, put_varint};
use crate::FrameError;
use crate::framing::MAX_CAUSES;

const HAS_CODE: u8 = 1;
const HAS_STACK: u8 = 2;
const HAS_DATA: u8 = 4;

/// Appends the body of an error: flags, name, message, code, stack, causes and the encoded value.
pub(super) fn encode(error: &RemoteError, out: &mut BytesMut) {
    let flag = |has: bool, flag: u8| if has { flag } else { 0 };
    out.put_u8(
        flag(error.code.is_some(), HAS_CODE)
            | flag(error.stack.is_some(), HAS_STACK)
            | flag(error.data.is_some(), HAS_DATA),
    );
    put_bytes(error.name.as_bytes(), out);
    put_bytes(error.message.as_bytes(), out);
    for text in [&error.code, &error.stack].into_iter().flatten() {
        put_bytes(text.as_bytes(), out);
    }
    let causes = &error.chain[..error.chain.len().min(MAX_CAUSES)];
    put_varint(causes.len() as u64, out);
    for cause in causes {
        put_bytes(cause.as_bytes(), out);
    }
    if let Some(data) = &error.data {
        out.put_slice(data);
    }
}

/// Decodes the error of a body. The value of the error shares the memory of the body.
pub(super) fn decode(body: &Bytes) -> Result<RemoteError, FrameError> {
    let mut fields = Fields::new(body);
    let flags = fields.byte()?;
    let mut error = RemoteError::new(fields.text()?, fields.text()?);
    if flags & HAS_CODE != 0 {
        error.code = Some(fields.text()?.to_owned());
    }
    if flags & HAS_STACK != 0 {
        error.stack = Some(fields.text()?.to_owned());
    }
    let causes = fields.count()?;
    if causes > MAX_CAUSES {
        return Err(FrameError::malformed(format!(
            "its error has {causes} causes, over the limit of {MAX_CAUSES}"
        )));
    }
    for _ in 0..causes {
        error.chain.push(fields.text()?.to_owned());
    }
    let rest = body.slice(body.len() - fields.remaining()..);
    if flags & HAS_DATA != 0 {
        error.data = Some(rest);
    } else if !rest.is_empty() {
        return Err(FrameError::malformed("it has bytes after its end"));
    }
    Ok(error)
}
