use std::fmt;

/// Keys and values sent alongside a payload, for example a trace context, a tenant or a token.
///
/// Middleware writes and reads them. A peer ignores unknown keys. Empty metadata takes no memory
/// and no bytes on the wire. Lookups are linear, so keep the number of keys small.
#[derive(Clone, Default, PartialEq, Eq)]
#[expect(clippy::box_collection, reason = "one word: every frame has metadata, and most are empty")]
pub struct Metadata(Option<Box<Vec<(String, String)>>>);

impl Metadata {
    /// Maximum number of keys in a frame. Both sides refuse more. Lookups are linear, and a peer
    /// could otherwise make them arbitrarily slow.
    pub const MAX_KEYS: usize = 256;

    /// Creates empty metadata.
    #[inline]
    pub const fn new() -> Self {
        Self(None)
    }

    #[inline]
    fn pairs(&self) -> &[(String, String)] {
        self.0.as_ref().map_or(&[], |pairs| pairs)
    }

    /// Returns the value of `key`.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.pairs().iter().find(|(k, _)| k == key).map(|(_, value)| value.as_str())
    }

    /// Sets `key` and returns its previous value.
    pub fn insert(&mut self, key: impl Into<String>, value: impl Into<String>) -> Option<String> {
        let (key, value) = (key.into(), value.into());
        let pairs = self.0.get_or_insert_default();
        match pairs.iter_mut().find(|(k, _)| *k == key) {
            Some((_, old)) => Some(std::mem::replace(old, value)),
            None => {
                pairs.push((key, value));
                None
            }
        }
    }

    /// Removes `key` and returns its value.
    pub fn remove(&mut self, key: &str) -> Option<String> {
        let pairs = self.0.as_mut()?;
        let at = pairs.iter().position(|(k, _)| k == key)?;
        let (_, value) = pairs.remove(at);
        if pairs.is_empty() {
            self.0 = None;
        }
        Some(value)
    }

    /// Iterates over the keys and values, in the order in which they were first set.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.pairs().iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// Total size of all keys and values in bytes.
    #[inline]
    pub fn bytes(&self) -> usize {
        self.pairs().iter().map(|(key, value)| key.len() + value.len()).sum()
    }

    /// Approximate memory of all keys and values in bytes.
    pub(crate) fn memory(&self) -> usize {
        self.bytes() + size_of_val(self.pairs())
    }

    /// Number of keys.
    #[inline]
    pub fn len(&self) -> usize {
        self.pairs().len()
    }

    /// Returns `true` if there are no keys.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.pairs().is_empty()
    }
}

impl fmt::Debug for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Metadata {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        let mut metadata = Self::new();
        for (key, value) in pairs {
            metadata.insert(key, value);
        }
        metadata
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_one_value() {
        let mut metadata = Metadata::new();
        assert_eq!(metadata.insert("tenant", "a"), None);
        assert_eq!(metadata.insert("tenant", "b"), Some("a".into()));
        assert_eq!((metadata.get("tenant"), metadata.len()), (Some("b"), 1));
        assert_eq!(metadata.remove("tenant"), Some("b".into()));
        assert!(metadata.is_empty());
        assert_eq!(metadata.remove("tenant"), None);
    }
}
