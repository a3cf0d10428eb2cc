use serde::de::{Deserialize, Deserializer, Visitor};
use serde_json::Error;
use serde_json::de::SliceRead;

use super::nesting;

/// Bytes of a message, reply or error, and the one deserializer that all types decode from. A
/// second one would double the code that the compiler translates for each type.
///
/// Peers write the payload of a message without arguments as `null`, as `{}` or not at all. Each
/// form decodes to a unit and to a struct without required fields, and only `null` to anything
/// else.
pub(super) struct Payload<'a, 'de> {
    json: &'de [u8],
    deserializer: &'a mut serde_json::Deserializer<SliceRead<'de>>,
}

/// Decodes a value from all of `json`, which is empty if there is no payload.
pub(super) fn decode<'de, T: Deserialize<'de>>(json: &'de [u8]) -> Result<T, Error> {
    // A missing payload is `null`.
    let json: &[u8] = if json.is_empty() { b"null" } else { json };
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    if nesting::needs_higher_limit(json) {
        deserializer.disable_recursion_limit();
    }
    let value = T::deserialize(Payload { json, deserializer: &mut deserializer })?;
    deserializer.end()?;
    Ok(value)
}

impl<'a, 'de> Payload<'a, 'de> {
    /// Returns the deserializer, for a type that takes an empty payload in the form of `empty`.
    #[inline]
    fn with_empty_as(self, empty: &'static [u8]) -> &'a mut serde_json::Deserializer<SliceRead<'de>> {
        if self.json.first() != empty.first() && is_empty(self.json) {
            *self.deserializer = serde_json::Deserializer::from_slice(empty);
        }
        self.deserializer
    }
}

/// Returns `true` if `json` is a form of an empty payload.
fn is_empty(json: &[u8]) -> bool {
    let json = json.trim_ascii();
    let inside = json.strip_prefix(b"{").and_then(|rest| rest.strip_suffix(b"}"));
    json == b"null" || inside.is_some_and(|inside| inside.trim_ascii().is_empty())
}

/// Forwards methods to the deserializer.
macro_rules! forward {
    ($($method:ident($($argument:ident: $type:ty),*);)*) => {$(
        #[inline]
        fn $method<V: Visitor<'de>>(self, $($argument: $type,)* visitor: V) -> Result<V::Value, Error> {
            self.deserializer.$method($($argument,)* visitor)
        }
    )*};
}

impl<'de> Deserializer<'de> for Payload<'_, 'de> {
    type Error = Error;

    #[inline]
    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.with_empty_as(b"null").deserialize_unit(visitor)
    }

    #[inline]
    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.with_empty_as(b"null").deserialize_unit_struct(name, visitor)
    }

    #[inline]
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.with_empty_as(b"{}").deserialize_struct(name, fields, visitor)
    }

    /// A newtype takes the forms of its content. `RawValue` is a newtype to serde too, but has a
    /// name that `serde_json` looks for.
    #[inline]
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        if name.starts_with('$') {
            self.deserializer.deserialize_newtype_struct(name, visitor)
        } else {
            visitor.visit_newtype_struct(self)
        }
    }

    forward! {
        deserialize_any();
        deserialize_bool();
        deserialize_i8();
        deserialize_i16();
        deserialize_i32();
        deserialize_i64();
        deserialize_i128();
        deserialize_u8();
        deserialize_u16();
        deserialize_u32();
        deserialize_u64();
        deserialize_u128();
        deserialize_f32();
        deserialize_f64();
        deserialize_char();
        deserialize_str();
        deserialize_string();
        deserialize_bytes();
        deserialize_byte_buf();
        deserialize_option();
        deserialize_seq();
        deserialize_tuple(len: usize);
        deserialize_tuple_struct(name: &'static str, len: usize);
        deserialize_map();
        deserialize_enum(name: &'static str, variants: &'static [&'static str]);
        deserialize_identifier();
        deserialize_ignored_any();
    }
}
