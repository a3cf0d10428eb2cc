/// Keys and values that travel beside a payload: trace context, a tenant, a token.
///
/// Middleware writes and reads them; a peer that does not know a key passes over it. Empty metadata takes no memory
/// and no byte on the wire. Look-ups are linear: this is meant for a handful of keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata(Vec<(String, String)>);

impl Metadata {
    /// How many keys a connection carries; a frame with more is refused on both sides, because looking for each of very
    /// many would take a peer's word for how long this side works.
    pub const MAX_KEYS: usize = 256;

    /// Metadata without a key.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// The value of `key`.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(k, _)| k == key).map(|(_, value)| value.as_str())
    }

    /// Sets `key`, and returns the value that it had before.
    pub fn insert(&mut self, key: impl Into<String>, value: impl Into<String>) -> Option<String> {
        let (key, value) = (key.into(), value.into());
        match self.0.iter_mut().find(|(k, _)| *k == key) {
            Some((_, old)) => Some(std::mem::replace(old, value)),
            None => {
                self.0.push((key, value));
                None
            }
        }
    }

    /// Takes `key` out, and returns its value.
    pub fn remove(&mut self, key: &str) -> Option<String> {
        let at = self.0.iter().position(|(k, _)| k == key)?;
        Some(self.0.remove(at).1)
    }

    /// The keys and values, in the order in which they were first set.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// How many bytes all keys and values take together.
    pub fn bytes(&self) -> usize {
        self.0.iter().map(|(key, value)| key.len() + value.len()).sum()
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
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
    fn a_key_is_there_once() {
        let mut metadata = Metadata::new();
        assert_eq!(metadata.insert("tenant", "a"), None);
        assert_eq!(metadata.insert("tenant", "b"), Some("a".into()));
        assert_eq!((metadata.get("tenant"), metadata.len()), (Some("b"), 1));
        assert_eq!(metadata.remove("tenant"), Some("b".into()));
        assert!(metadata.is_empty());
        assert_eq!(metadata.remove("tenant"), None);
    }
}
