//! Parts of a line that could be so many, at a byte or two each, that they took many times its memory.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use isolated_workers_core::Metadata;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::framing::MOST_CAUSES;

/// The metadata. More keys than are allowed are refused, those that come again counted each time.
pub(super) fn metadata<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, String>, D::Error> {
    deserializer.deserialize_map(Keys)
}

/// The texts of the causes of an error. Those behind the last that is allowed are passed over.
pub(super) fn causes<'de, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Cow<'a, [String]>, D::Error> {
    deserializer.deserialize_seq(Causes).map(Cow::Owned)
}

struct Keys;

impl<'de> Visitor<'de> for Keys {
    type Value = BTreeMap<String, String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of strings")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut metadata, most) = (BTreeMap::new(), Metadata::MAX_KEYS);
        for _ in 0..most {
            let Some((key, value)) = map.next_entry()? else { return Ok(metadata) };
            metadata.insert(key, value);
        }
        match map.next_key::<IgnoredAny>()? {
            None => Ok(metadata),
            Some(_) => Err(A::Error::custom(format!(
                "it has more keys of metadata than the {most} that are allowed"
            ))),
        }
    }
}

struct Causes;

impl<'de> Visitor<'de> for Causes {
    type Value = Vec<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of strings")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut causes = Vec::new();
        while causes.len() < MOST_CAUSES {
            let Some(cause) = seq.next_element()? else { return Ok(causes) };
            causes.push(cause);
        }
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(causes)
    }
}
