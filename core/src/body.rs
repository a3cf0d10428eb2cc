use std::fmt;
use std::sync::{Arc, OnceLock};

use bytes::{Bytes, BytesMut};

use crate::Budget;

/// The encoded payload of a request or a response.
///
/// Opaque on purpose: it is one buffer, or several of which the large ones are shared with the value that was encoded;
/// later it may be a stream or a piece of shared memory, and no signature changes. Cloning is cheap and copies no
/// payload but a small one. Two bodies are equal where their bytes are.
#[derive(Clone)]
pub struct Body {
    form: Form,
    budget: Budget,
}

#[derive(Clone)]
enum Form {
    /// Most payloads are so small that memory of their own costs more than they do.
    Small {
        length: u8,
        bytes: [u8; SMALL],
    },
    One(Bytes),
    // One pointer, so that a body is no larger for it.
    Rope(Arc<Rope>),
}

/// As much as a payload of 64 bytes takes, and what is left of the words that it needs.
const SMALL: usize = 70;

/// Buffers that belong one behind the other.
struct Rope {
    pieces: Vec<Bytes>,
    len: usize,
    /// All in one, once somebody has asked for that.
    flat: OnceLock<Bytes>,
}

impl Rope {
    #[cold]
    fn flatten(&self) -> &Bytes {
        self.flat.get_or_init(|| {
            let mut flat = BytesMut::with_capacity(self.len);
            self.pieces.iter().for_each(|piece| flat.extend_from_slice(piece));
            flat.freeze()
        })
    }
}

impl Body {
    /// A body without a byte: what a message without a payload carries.
    #[inline]
    pub const fn empty() -> Self {
        Self { form: Form::Small { length: 0, bytes: [0; SMALL] }, budget: Budget::DEFAULT }
    }

    /// Makes an [empty](Self::empty) body one of these bytes, which are copied, where they are so few that this takes no
    /// memory: 70 at most. Returns whether they are.
    ///
    /// In the place where the body stays, because moving one that has just been written takes longer than writing it: the
    /// processor waits until the parts have left its store buffer.
    ///
    /// ```
    /// use isolated_workers_core::Body;
    ///
    /// let mut body = Body::empty();
    /// assert!(body.fill(b"small"));
    /// assert_eq!(body.as_bytes(), b"small");
    /// assert!(!body.fill(b"other"), "it is not empty any more");
    /// assert!(!Body::empty().fill(&[7; 71]));
    /// ```
    #[inline]
    #[must_use = "a body that is not filled is still what it was"]
    pub fn fill(&mut self, payload: &[u8]) -> bool {
        match (&mut self.form, u8::try_from(payload.len())) {
            (Form::Small { length: length @ 0, bytes }, Ok(wanted)) if payload.len() <= SMALL => {
                bytes[..payload.len()].copy_from_slice(payload);
                *length = wanted;
                true
            }
            _ => false,
        }
    }

    /// A body of buffers one behind the other, none of which is copied.
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
        let rope = Rope { pieces, len, flat: OnceLock::new() };
        Self { form: Form::Rope(Arc::new(rope)), budget: Budget::default() }
    }

    /// The buffers that the payload is in, one behind the other: what a vectored write takes. None where it is so small
    /// that it needs none: [`as_bytes`](Self::as_bytes) has it then.
    #[inline]
    pub fn pieces(&self) -> &[Bytes] {
        match &self.form {
            Form::Small { .. } => &[],
            Form::One(bytes) => std::slice::from_ref(bytes),
            Form::Rope(rope) => &rope.pieces,
        }
    }

    /// The encoded bytes. Where they are in several [`pieces`](Self::pieces), they are copied into one buffer the first
    /// time.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        match &self.form {
            Form::Small { length, bytes } => bytes.get(..usize::from(*length)).unwrap_or_default(),
            Form::One(bytes) => bytes,
            Form::Rope(rope) => rope.flatten(),
        }
    }

    /// The encoded bytes; without a copy where they are in one buffer, as those of every body that came from a peer and is
    /// not small.
    #[inline]
    pub fn into_bytes(self) -> Bytes {
        match self.form {
            Form::Small { .. } => Bytes::copy_from_slice(self.as_bytes()),
            Form::One(bytes) => bytes,
            Form::Rope(rope) => rope.flatten().clone(),
        }
    }

    /// The encoded bytes in one buffer, to share parts of it; `None` where they are so few that there is none. Copies where
    /// [`as_bytes`](Self::as_bytes) does.
    #[inline]
    pub fn flat(&self) -> Option<&Bytes> {
        match &self.form {
            Form::Small { .. } => None,
            Form::One(bytes) => Some(bytes),
            Form::Rope(rope) => Some(rope.flatten()),
        }
    }

    /// How many bytes the payload takes.
    #[inline]
    pub fn len(&self) -> usize {
        match &self.form {
            Form::Small { length, .. } => usize::from(*length),
            Form::One(bytes) => bytes.len(),
            Form::Rope(rope) => rope.len,
        }
    }

    /// Whether there is no byte at all.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What the value may take that is decoded from this. A body that came from a peer has the budget of its
    /// connection's [`Limits`](crate::Limits), one that was made of bytes [`Budget::default`].
    #[inline]
    pub fn budget(&self) -> Budget {
        self.budget
    }

    /// Sets what the value may take that is decoded from this.
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

    // A body passes through many hands, and a reply of 64 bytes and their length is to fit.
    const _: () = assert!(size_of::<Form>() == 72 && SMALL >= 65);

    #[test]
    fn pieces_are_one_payload() {
        let pieces = [&b"ab"[..], b"", b"cde"].map(Bytes::from_static);
        let body = Body::from_pieces(pieces.to_vec());
        assert_eq!((body.len(), body.is_empty(), body.pieces().len()), (5, false, 2));
        assert_eq!(body, Body::from(b"abcde".to_vec()));
        assert_ne!(body, Body::from(b"abcd".to_vec()));
        assert_eq!(body.as_bytes().as_ptr(), body.clone().as_bytes().as_ptr(), "it was copied once");
        assert_eq!(body.into_bytes(), &b"abcde"[..]);
    }

    #[test]
    fn one_piece_is_no_rope() {
        let one = Bytes::from(vec![1; 10]);
        let body = Body::from_pieces(vec![Bytes::new(), one.clone()]);
        assert_eq!(body.as_bytes().as_ptr(), one.as_ptr());
        assert_eq!(Body::from_pieces(Vec::new()), Body::empty());
        assert!(Body::empty().pieces().is_empty());
    }
}
