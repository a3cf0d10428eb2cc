use serde::de::value::{Error, MapDeserializer};
use serde::de::{Deserializer, Error as _, Visitor};
use serde::forward_to_deserialize_any;

/// Deserializer of the payload of a message without arguments.
///
/// Peers write it as `null`, as `{}` or not at all. It decodes to a unit or to a struct without
/// required fields, and to nothing else.
pub(super) struct EmptyPayload;

impl EmptyPayload {
    /// Returns `true` if `json` is one of these forms.
    pub(super) fn matches(json: &[u8]) -> bool {
        let json = json.trim_ascii();
        let inside = json.strip_prefix(b"{").and_then(|rest| rest.strip_suffix(b"}"));
        json.is_empty() || json == b"null" || inside.is_some_and(|inside| inside.trim_ascii().is_empty())
    }
}

impl<'de> Deserializer<'de> for EmptyPayload {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(Error::custom("the payload is empty"))
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_map(MapDeserializer::new(std::iter::empty::<((), ())>()))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option seq tuple
        tuple_struct map enum identifier ignored_any
    }
}
