use bytes::Bytes;
use isolated_workers_core::Body;

use crate::framing::copy_payload;

/// Received line.
pub(super) enum Line<'a> {
    /// Short line, whose parts are copied.
    Short(&'a [u8]),
    /// Long line, whose parts share its memory.
    Long(Bytes),
}

impl Line<'_> {
    pub(super) fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Short(line) => line,
            Self::Long(line) => line,
        }
    }

    /// Returns `part` of the line as a payload.
    pub(super) fn body(&self, part: &[u8]) -> Body {
        match self {
            Self::Short(_) => {
                let mut body = Body::empty();
                copy_payload(part, &mut body);
                body
            }
            Self::Long(line) => line.slice_ref(part).into(),
        }
    }

    /// Returns `part` of the line as bytes.
    pub(super) fn bytes(&self, part: &[u8]) -> Bytes {
        match self {
            Self::Short(_) => Bytes::copy_from_slice(part),
            Self::Long(line) => line.slice_ref(part),
        }
    }
}
