use bytes::Bytes;

/// The encoded payload of a request or a response.
///
/// Opaque on purpose: today it is one buffer, later it may be a stream or a piece of shared memory, and no signature
/// changes. Cloning is cheap and copies no payload.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Body(Bytes);

impl Body {
    /// A body without a byte: what a message without a payload carries.
    pub const fn empty() -> Self {
        Self(Bytes::new())
    }

    /// The encoded bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The encoded bytes, without a copy.
    pub fn into_bytes(self) -> Bytes {
        self.0
    }

    /// How many bytes the payload takes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no byte at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self(bytes)
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes.into())
    }
}
