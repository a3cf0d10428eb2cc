use std::fmt;

use compact_str::CompactString;

/// Name of a message on the wire.
///
/// A name of up to 24 bytes, or a name known at compile time, takes no allocation.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Name(CompactString);

impl Name {
    /// Creates a name from a static string, without an allocation.
    #[inline]
    pub const fn from_static(name: &'static str) -> Self {
        Self(CompactString::const_new(name))
    }

    /// Returns the name as a string slice.
    #[inline]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Name {
    #[inline]
    fn from(name: &str) -> Self {
        Self(CompactString::new(name))
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
