use std::fmt;

use bytes::Bytes;

use crate::Budget;

/// The encoded payload of a request or a response.
///
/// Opaque on purpose: today it is one buffer, later it may be a stream or a piece of shared memory, and no signature
/// changes. Cloning is cheap and copies no payload but a small one. Two bodies are equal where their bytes are.
#[derive(Clone)]
pub struct Body {
    bytes: Repr,
    budget: Budget,
}

/// Most payloads are so small that memory of their own costs more than they do.
#[derive(Clone)]
enum Repr {
    Small { length: u8, bytes: [u8; SMALL] },
    Shared(Bytes),
}

/// As much as a payload of 64 bytes takes, and what is left of the words that it needs.
const SMALL: usize = 70;

impl Body {
    /// A body without a byte: what a message without a payload carries.
    #[inline]
    pub const fn empty() -> Self {
        Self { bytes: Repr::Small { length: 0, bytes: [0; SMALL] }, budget: Budget::DEFAULT }
    }

    /// A body of these bytes, which are copied, where they are so few that this takes no memory: 70 at most.
    #[inline]
    pub fn small(payload: &[u8]) -> Option<Self> {
        let length = u8::try_from(payload.len()).ok()?;
        let mut bytes = [0; SMALL];
        bytes.get_mut(..payload.len())?.copy_from_slice(payload);
        Some(Self { bytes: Repr::Small { length, bytes }, budget: Budget::DEFAULT })
    }

    /// The encoded bytes.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        match &self.bytes {
            Repr::Small { length, bytes } => bytes.get(..usize::from(*length)).unwrap_or_default(),
            Repr::Shared(bytes) => bytes,
        }
    }

    /// The encoded bytes, without a copy where there are more than a few.
    #[inline]
    pub fn into_bytes(self) -> Bytes {
        match self.bytes {
            Repr::Small { .. } => Bytes::copy_from_slice(self.as_bytes()),
            Repr::Shared(bytes) => bytes,
        }
    }

    /// How many bytes the payload takes.
    #[inline]
    pub fn len(&self) -> usize {
        match &self.bytes {
            Repr::Small { length, .. } => usize::from(*length),
            Repr::Shared(bytes) => bytes.len(),
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
        self.as_bytes() == other.as_bytes()
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
        let bytes = self.as_bytes().escape_ascii().to_string();
        f.debug_struct("Body").field("bytes", &bytes).field("budget", &self.budget).finish()
    }
}

impl From<Bytes> for Body {
    #[inline]
    fn from(bytes: Bytes) -> Self {
        Self { bytes: Repr::Shared(bytes), budget: Budget::default() }
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes::from(bytes).into()
    }
}
