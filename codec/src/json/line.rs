use bytes::Bytes;
use isolated_workers_core::Body;

use crate::framing::copy;

/// A line that was read, and how a part of it is kept.
pub(super) enum Line<'a> {
    /// Copied.
    Short(&'a [u8]),
    /// As a share of its memory.
    Long(Bytes),
}

impl Line<'_> {
    pub(super) fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Short(line) => line,
            Self::Long(line) => line,
        }
    }

    /// A part of it as a payload.
    pub(super) fn body(&self, part: &[u8]) -> Body {
        match self {
            Self::Short(_) => {
                let mut body = Body::empty();
                copy(part, &mut body);
                body
            }
            Self::Long(line) => line.slice_ref(part).into(),
        }
    }

    /// A part of it as bytes.
    pub(super) fn bytes(&self, part: &[u8]) -> Bytes {
        match self {
            Self::Short(_) => Bytes::copy_from_slice(part),
            Self::Long(line) => line.slice_ref(part),
        }
    }
}
