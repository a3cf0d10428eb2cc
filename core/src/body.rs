use std::fmt;
use std::sync::{Arc, OnceLock};

use bytes::{Bytes, BytesMut};

use crate::{Attachments, Budget};

/// Encoded payload of a request or a response, in memory.
///
/// A body holds its bytes inline, in one buffer, or in several buffers. With several buffers, the
/// large ones are shared with the value that was encoded. A clone is cheap: it copies only an
/// inline payload. Two bodies are equal if their bytes are equal.
///
/// Open descriptors may be [attached](Self::attach) to a body. Its clones share them.
#[derive(Clone)]
pub struct Body {
    form: Form,
    budget: Budget,
}

#[derive(Clone)]
enum Form {
    /// Inline. Most payloads are so small that an allocation costs more than a copy.
    Small {
        length: u8,
        bytes: [u8; INLINE_BYTES],
    },
    One(Bytes),
    // A single pointer, so that this variant does not enlarge the body.
    Rope(Arc<Rope>),
}

/// Maximum size of an inline payload in bytes: enough for 64 bytes with a length prefix, rounded up
/// so that `Form` fills whole words.
const INLINE_BYTES: usize = 70;

/// Part of a buffer below which a payload is copied out of it.
const MIN_SHARED_PART: usize = 4;

/// Sequence of buffers.
struct Rope {
    pieces: Vec<Bytes>,
    len: usize,
    /// Concatenation of the pieces, created on first use.
    flat: OnceLock<Bytes>,
    /// Descriptors that travel beside the bytes.
    attachments: Option<Attachments>,
}

impl Rope {
    #[cold]
    fn flatten(&self) -> &Bytes {
        self.flat.get_or_init(|| {
            if let [one] = &self.pieces[..] {
                return one.clone();
            }
            let mut flat = BytesMut::with_capacity(self.len);
            self.pieces.iter().for_each(|piece| flat.extend_from_slice(piece));
            flat.freeze()
        })
    }
}

impl Body {
    /// Creates an empty body, for a message without a payload.
    #[inline]
    pub const fn empty() -> Self {
        Self { form: Form::Small { length: 0, bytes: [0; INLINE_BYTES] }, budget: Budget::DEFAULT }
    }

    /// Copies `payload` into an [empty](Self::empty) body if the payload fits inline (at most 70
    /// bytes). Returns `true` if it was copied.
    ///
    /// The body is filled in place, because a move right after the write costs more than the write.
    /// The processor stalls on such a move until its store buffer has drained.
    ///
    /// ```
    /// use isolated_workers_core::Body;
    ///
    /// let mut body = Body::empty();
    /// assert!(body.fill(b"small"));
    /// assert_eq!(body.as_bytes(), b"small");
    /// assert!(!body.fill(b"other"), "the body is no longer empty");
    /// assert!(!Body::empty().fill(&[7; 71]));
    /// ```
    #[inline]
    #[must_use = "the body is unchanged if this returns `false`"]
    pub fn fill(&mut self, payload: &[u8]) -> bool {
        match (&mut self.form, u8::try_from(payload.len())) {
            (Form::Small { length: length @ 0, bytes }, Ok(wanted)) if payload.len() <= INLINE_BYTES => {
                bytes[..payload.len()].copy_from_slice(payload);
                *length = wanted;
                true
            }
            _ => false,
        }
    }

    /// Creates a body from consecutive buffers without a copy.
    ///
    /// ```
    /// use bytes::Bytes;
    /// use isolated_workers_core::Body;
    ///
    /// let picture = Bytes::from(vec![7; 100_000]);
    /// let body = Body::from_pieces(vec![Bytes::from_static(b"a picture: "), picture.clone()]);
    /// assert_eq!(body.len(), 100_011);
    /// assert_eq!(body.pieces()[1].as_ptr(), picture.as_ptr());
    /// assert!(body.as_bytes().starts_with(b"a picture: \x07\x07"));
    /// ```
    pub fn from_pieces(mut pieces: Vec<Bytes>) -> Self {
        pieces.retain(|piece| !piece.is_empty());
        if pieces.len() < 2 {
            return pieces.pop().unwrap_or_default().into();
        }
        let len = pieces.iter().map(Bytes::len).sum();
        let rope = Rope { pieces, len, flat: OnceLock::new(), attachments: None };
        Self { form: Form::Rope(Arc::new(rope)), budget: Budget::default() }
    }

    /// Buffers of the payload, in order, for a vectored write. Empty if the payload is inline. In
    /// that case use [`as_bytes`](Self::as_bytes).
    #[inline]
    pub fn pieces(&self) -> &[Bytes] {
        match &self.form {
            Form::Small { .. } => &[],
            Form::One(bytes) => std::slice::from_ref(bytes),
            Form::Rope(rope) => &rope.pieces,
        }
    }

    /// Encoded bytes. If the body has several [`pieces`](Self::pieces), the first call copies them
    /// into one buffer.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        match &self.form {
            Form::Small { length, bytes } => bytes.get(..usize::from(*length)).unwrap_or_default(),
            Form::One(bytes) => bytes,
            Form::Rope(rope) => rope.flatten(),
        }
    }

    /// Converts the body to its encoded bytes in one buffer. Copies unless the body is in one
    /// buffer already. A body received from a peer is either inline or in one buffer.
    #[inline]
    pub fn into_bytes(self) -> Bytes {
        match self.form {
            Form::Small { .. } => Bytes::copy_from_slice(self.as_bytes()),
            Form::One(bytes) => bytes,
            Form::Rope(rope) => rope.flatten().clone(),
        }
    }

    /// Encoded bytes as one buffer, for sharing slices of it. `None` if the payload is inline.
    /// Copies if [`as_bytes`](Self::as_bytes) copies.
    #[inline]
    pub fn flat(&self) -> Option<&Bytes> {
        match &self.form {
            Form::Small { .. } => None,
            Form::One(bytes) => Some(bytes),
            Form::Rope(rope) => Some(rope.flatten()),
        }
    }

    /// Size of the payload in bytes.
    #[inline]
    pub fn len(&self) -> usize {
        match &self.form {
            Form::Small { length, .. } => usize::from(*length),
            Form::One(bytes) => bytes.len(),
            Form::Rope(rope) => rope.len,
        }
    }

    /// Returns `true` if the payload is empty.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Attaches descriptors to the body, in place of those that it has.
    #[cold]
    pub fn attach(&mut self, attachments: Attachments) {
        let pieces = match &self.form {
            Form::Small { .. } if self.is_empty() => Vec::new(),
            Form::Small { .. } => vec![Bytes::copy_from_slice(self.as_bytes())],
            Form::One(_) | Form::Rope(_) => self.pieces().to_vec(),
        };
        let (len, flat) = (self.len(), OnceLock::new());
        self.form = Form::Rope(Arc::new(Rope { pieces, len, flat, attachments: Some(attachments) }));
    }

    /// Descriptors that are attached to the body, if any.
    #[inline]
    pub fn attachments(&self) -> Option<&Attachments> {
        match &self.form {
            Form::Small { .. } | Form::One(_) => None,
            Form::Rope(rope) => rope.attachments.as_ref(),
        }
    }

    /// Copies the payload to memory of its own if it is less than a quarter of a buffer of
    /// `buffer_bytes` that it is a part of. A payload that waits counts only with its own size, but
    /// keeps the whole buffer. Does nothing if the payload is inline.
    pub fn unshare_from(&mut self, buffer_bytes: usize) {
        if let Form::One(_) | Form::Rope(_) = self.form
            && self.len() < buffer_bytes / MIN_SHARED_PART
        {
            let mut copy = Self::empty();
            if !copy.fill(self.as_bytes()) {
                copy = Bytes::copy_from_slice(self.as_bytes()).into();
            }
            if let Some(attachments) = self.attachments() {
                copy.attach(attachments.clone());
            }
            self.form = copy.form;
        }
    }

    /// Budget for decoding the value in this body. A body received from a peer has the budget of
    /// its connection's [`Limits`](crate::Limits). Any other body has [`Budget::default`] until
    /// [`set_budget`](Self::set_budget) changes it.
    #[inline]
    pub fn budget(&self) -> Budget {
        self.budget
    }

    /// Sets the budget for decoding the value in this body.
    #[inline]
    pub fn set_budget(&mut self, budget: Budget) {
        self.budget = budget;
    }
}

impl PartialEq for Body {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Body {}

impl Default for Body {
    #[inline]
    fn default() -> Self {
        Self::empty()
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Body");
        match self.pieces() {
            [] | [_] => shown.field("bytes", &format_args!("b\"{}\"", self.as_bytes().escape_ascii())),
            pieces => shown.field("pieces", &pieces),
        };
        if let Some(attachments) = self.attachments() {
            shown.field("attachments", attachments);
        }
        shown.field("budget", &self.budget).finish()
    }
}

impl From<Bytes> for Body {
    #[inline]
    fn from(bytes: Bytes) -> Self {
        Self { form: Form::One(bytes), budget: Budget::default() }
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes::from(bytes).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // A body is moved often, so it must stay small. A reply of 64 bytes and its length must fit
    // inline.
    const _: () = assert!(size_of::<Form>() == 72 && INLINE_BYTES >= 65);

    #[test]
    fn pieces_form_one_payload() {
        let pieces = [&b"ab"[..], b"", b"cde"].map(Bytes::from_static);
        let body = Body::from_pieces(pieces.to_vec());
        assert_eq!((body.len(), body.is_empty(), body.pieces().len()), (5, false, 2));
        assert_eq!(body, Body::from(b"abcde".to_vec()));
        assert_ne!(body, Body::from(b"abcd".to_vec()));
        assert_eq!(
            body.as_bytes().as_ptr(),
            body.clone().as_bytes().as_ptr(),
            "the pieces are concatenated once"
        );
        assert_eq!(body.into_bytes(), &b"abcde"[..]);
    }

    #[test]
    fn a_small_part_of_a_buffer_is_copied_out_of_it_and_keeps_its_budget() {
        let buffer = Bytes::from(vec![7; 1000]);
        for len in [0, INLINE_BYTES, 500] {
            let mut body = Body::from(buffer.slice(..len));
            let budget = Budget { decoded: 9, ..Budget::DEFAULT };
            body.set_budget(budget);
            body.unshare_from(4 * len);
            assert_eq!(buffer.is_unique(), len == 0);
            body.unshare_from(4 * len + 4);
            assert_eq!((body.as_bytes(), body.budget()), (&buffer[..len], budget));
            assert!(buffer.is_unique(), "{len}");
        }
    }

    #[test]
    fn attachments_stay_with_a_body_and_change_none_of_its_bytes() {
        for payload in [&b""[..], b"small", &[7; 1000]] {
            let mut body = Body::from(Bytes::copy_from_slice(payload));
            assert!(body.attachments().is_none());
            body.attach(Attachments::Named(2));
            body.unshare_from(10_000);
            assert_eq!((body.as_bytes(), body.len()), (payload, payload.len()));
            assert_eq!(body.pieces().concat(), payload);
            assert_eq!(body.clone().attachments().map(Attachments::len), Some(2));
        }
    }

    #[test]
    fn a_single_piece_is_not_copied() {
        let one = Bytes::from(vec![1; 10]);
        let body = Body::from_pieces(vec![Bytes::new(), one.clone()]);
        assert_eq!(body.as_bytes().as_ptr(), one.as_ptr());
        assert_eq!(Body::from_pieces(Vec::new()), Body::empty());
        assert!(Body::empty().pieces().is_empty());
    }
}
