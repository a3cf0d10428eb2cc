use bytes::Bytes;

use crate::Budget;

/// The encoded payload of a request or a response.
///
/// Opaque on purpose: today it is one buffer, later it may be a stream or a piece of shared memory, and no signature
/// changes. Cloning is cheap and copies no payload. Two bodies are equal where their bytes are.
#[derive(Clone, Debug, Default)]
pub struct Body {
    bytes: Bytes,
    budget: Budget,
}

impl Body {
    /// A body without a byte: what a message without a payload carries.
    #[inline]
    pub const fn empty() -> Self {
        Self { bytes: Bytes::new(), budget: Budget::DEFAULT }
    }

    /// The encoded bytes.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The encoded bytes, without a copy.
    #[inline]
    pub fn into_bytes(self) -> Bytes {
        self.bytes
    }

    /// How many bytes the payload takes.
    #[inline]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there is no byte at all.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
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
        self.bytes == other.bytes
    }
}

impl Eq for Body {}

impl From<Bytes> for Body {
    #[inline]
    fn from(bytes: Bytes) -> Self {
        Self { bytes, budget: Budget::default() }
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes::from(bytes).into()
    }
}
