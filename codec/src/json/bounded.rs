//! Collections in a line, with a limit on their elements. Without a limit, elements of one or two
//! bytes each could take many times the memory of the line.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use isolated_workers_core::Metadata;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::framing::MAX_CAUSES;

/// Decodes metadata. Refuses more than [`Metadata::MAX_KEYS`] keys, including repeated keys.
pub(super) fn metadata<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, String>, D::Error> {
    deserializer.deserialize_map(MetadataVisitor)
}

/// Decodes the causes of an error. Ignores those after the first [`MAX_CAUSES`].
pub(super) fn causes<'de, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Cow<'a, [String]>, D::Error> {
    deserializer.deserialize_seq(CausesVisitor).map(Cow::Owned)
}

struct MetadataVisitor;

impl<'de> Visitor<'de> for MetadataVisitor {
    type Value = BTreeMap<String, String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of strings")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut metadata = BTreeMap::new();
        for _ in 0..Metadata::MAX_KEYS {
            let Some((key, value)) = map.next_entry()? else { return Ok(metadata) };
            metadata.insert(key, value);
        }
        match map.next_key::<IgnoredAny>()? {
            None => Ok(metadata),
            Some(_) => {
                let text = format!("it has more metadata keys than the limit of {}", Metadata::MAX_KEYS);
                Err(A::Error::custom(text))
            }
        }
    }
}

struct CausesVisitor;

impl<'de> Visitor<'de> for CausesVisitor {
    type Value = Vec<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of strings")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut causes = Vec::new();
        while causes.len() < MAX_CAUSES {
            let Some(cause) = seq.next_element()? else { return Ok(causes) };
            causes.push(cause);
        }
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(causes)
    }
}
