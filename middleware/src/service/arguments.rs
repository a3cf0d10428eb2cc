//! Encoding of the arguments of messages, for code that `#[service]` generates.
//!
//! The bytes are those of serde's derives. Derived code is translated for each message. Here,
//! messages with arguments of the same types share the code that decodes them, and the names of
//! arguments are data. [`Argument`] has the only bound on the type of an argument, so that the
//! compiler reports a type without serde support once, where it is written.

use std::fmt;
use std::marker::PhantomData;

use isolated_workers_codec::zero_copy_bytes::maybe_bytes::MaybeBytesRef;
use isolated_workers_core::{Sendable, Value};
use serde::de::{DeserializeSeed, Deserializer, Error, Expected, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;
use serde::ser::SerializeStruct;

use super::encoding::ValueRef;

/// Type of the argument at `INDEX` of a message.
pub trait Argument<const INDEX: usize> {
    type Value: Value;
}

/// Message with `COUNT` arguments.
pub trait Arguments<const COUNT: usize>: Types<COUNT> {
    /// Name of the struct.
    const NAME: &'static str;
    /// Names of the arguments.
    const NAMES: &'static [&'static str; COUNT];

    fn from_values(values: Self::Values) -> Self;
    fn into_values(self) -> Self::Values;
}

/// Converts a message to a form that can be moved to another thread. Its arguments are
/// [`Value`]s, and so each of them can.
pub fn into_sendable<M: Arguments<COUNT> + 'static, const COUNT: usize>(message: M) -> Sendable<M> {
    let values = message.into_values().into_sendable();
    Box::new(|| M::from_values(values()))
}

/// Decodes a message. A peer may send its arguments by name or in their order.
///
/// # Errors
/// An argument is missing, or is not a value of its type.
#[inline]
pub fn deserialize<'de, M, const COUNT: usize, D>(deserializer: D) -> Result<M, D::Error>
where
    M: Arguments<COUNT>,
    D: Deserializer<'de>,
{
    let visitor = ValuesVisitor { name: M::NAME, names: M::NAMES, values: PhantomData };
    deserializer.deserialize_struct(M::NAME, M::NAMES, visitor).map(M::from_values)
}

/// Decodes a message without arguments.
///
/// # Errors
/// The payload has content.
#[inline]
pub fn deserialize_none<'de, D: Deserializer<'de>>(
    name: &'static str,
    deserializer: D,
) -> Result<(), D::Error> {
    deserializer.deserialize_unit_struct(name, NoneVisitor { name })
}

/// Encodes the argument at `INDEX` of the message `M`.
///
/// # Errors
/// The errors of the type and of the serializer.
#[inline]
pub fn serialize<M, const INDEX: usize, S>(
    message: &mut S,
    name: &'static str,
    value: &M::Value,
) -> Result<(), S::Error>
where
    M: Argument<INDEX>,
    S: SerializeStruct,
{
    message.serialize_field(name, &ValueRef(value))
}

/// Like [`serialize`], for an argument whose written type is that of bytes.
///
/// # Errors
/// The errors of the type and of the serializer.
#[inline]
pub fn serialize_bytes<T: Value, S: SerializeStruct>(
    message: &mut S,
    name: &'static str,
    value: &T,
) -> Result<(), S::Error> {
    message.serialize_field(name, &MaybeBytesRef(value))
}

/// Types of `COUNT` arguments as a tuple. Implemented for every message with that number of them.
pub trait Types<const COUNT: usize> {
    type Values: Values<COUNT>;
}

/// Tuple of `COUNT` values.
pub trait Values<const COUNT: usize>: Sized {
    /// Decodes the values in their order.
    ///
    /// # Errors
    /// A value is missing or invalid.
    fn from_seq<'de, A: SeqAccess<'de>>(parts: A, expected: &dyn Expected) -> Result<Self, A::Error>;

    /// Decodes the values by their names, in any order.
    ///
    /// # Errors
    /// A value is missing, repeated or invalid.
    fn from_map<'de, A: MapAccess<'de>>(
        parts: A,
        names: &'static [&'static str; COUNT],
    ) -> Result<Self, A::Error>;

    fn into_sendable(self) -> Sendable<Self>;
}

macro_rules! values {
    ($($count:literal: $($type:ident $index:tt)*;)*) => {$(
        impl<M: $(Argument<$index> +)*> Types<$count> for M {
            type Values = ($(<M as Argument<$index>>::Value,)*);
        }

        impl<$($type: Value),*> Values<$count> for ($($type,)*) {
            #[inline]
            fn from_seq<'de, A: SeqAccess<'de>>(mut parts: A, expected: &dyn Expected) -> Result<Self, A::Error> {
                Ok(($(
                    match parts.next_element_seed(Seed::<$type>(PhantomData))? {
                        Some(value) => value,
                        None => return Err(A::Error::invalid_length($index, expected)),
                    },
                )*))
            }

            #[inline]
            fn from_map<'de, A: MapAccess<'de>>(
                mut parts: A,
                names: &'static [&'static str; $count],
            ) -> Result<Self, A::Error> {
                let mut values = ($(None::<$type>,)*);
                let mut next = 0;
                while let Some(index) = parts.next_key_seed(Name { names, next })? {
                    match index {
                        $($index => decode_into(&mut values.$index, &mut parts, names[$index])?,)*
                        _ => drop(parts.next_value::<IgnoredAny>()?),
                    }
                    next = index + 1;
                }
                Ok(($(
                    match values.$index {
                        Some(value) => value,
                        None => missing(names[$index])?,
                    },
                )*))
            }

            fn into_sendable(self) -> Sendable<Self> {
                let values = ($(self.$index.into_sendable(),)*);
                Box::new(move || ($((values.$index)(),)*))
            }
        }
    )*};
}

values! {
    1: V0 0;
    2: V0 0 V1 1;
    3: V0 0 V1 1 V2 2;
    4: V0 0 V1 1 V2 2 V3 3;
    5: V0 0 V1 1 V2 2 V3 3 V4 4;
    6: V0 0 V1 1 V2 2 V3 3 V4 4 V5 5;
    7: V0 0 V1 1 V2 2 V3 3 V4 4 V5 5 V6 6;
    8: V0 0 V1 1 V2 2 V3 3 V4 4 V5 5 V6 6 V7 7;
}

#[inline]
fn decode_into<'de, T: Value, A: MapAccess<'de>>(
    value: &mut Option<T>,
    parts: &mut A,
    name: &'static str,
) -> Result<(), A::Error> {
    if value.is_some() {
        return Err(A::Error::duplicate_field(name));
    }
    *value = Some(parts.next_value_seed(Seed(PhantomData))?);
    Ok(())
}

/// Returns the value of an argument that the peer did not send: `None` if it is an `Option`.
#[cold]
fn missing<T: Value, E: Error>(name: &'static str) -> Result<T, E> {
    T::decode(Missing { name, error: PhantomData })
}

struct ValuesVisitor<V, const COUNT: usize> {
    name: &'static str,
    names: &'static [&'static str; COUNT],
    values: PhantomData<V>,
}

impl<'de, V: Values<COUNT>, const COUNT: usize> Visitor<'de> for ValuesVisitor<V, COUNT> {
    type Value = V;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "struct {}", self.name)
    }

    #[inline]
    fn visit_seq<A: SeqAccess<'de>>(self, parts: A) -> Result<V, A::Error> {
        V::from_seq(parts, &Length { name: self.name, count: COUNT })
    }

    #[inline]
    fn visit_map<A: MapAccess<'de>>(self, parts: A) -> Result<V, A::Error> {
        V::from_map(parts, self.names)
    }
}

struct NoneVisitor {
    name: &'static str,
}

impl Visitor<'_> for NoneVisitor {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unit struct {}", self.name)
    }

    #[inline]
    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }
}

/// Expected number of arguments, for errors.
struct Length {
    name: &'static str,
    count: usize,
}

impl Expected for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, count } = self;
        write!(f, "struct {name} with {count} element{}", if *count == 1 { "" } else { "s" })
    }
}

struct Seed<T>(PhantomData<T>);

impl<'de, T: Value> DeserializeSeed<'de> for Seed<T> {
    type Value = T;

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        T::decode(deserializer)
    }
}

/// Decodes a name to its index in `names`, or to their number if it is another name.
struct Name {
    names: &'static [&'static str],
    /// Index of the name that is expected, because peers mostly send arguments in their order.
    next: usize,
}

impl Name {
    #[inline]
    fn index_of(&self, name: &[u8]) -> usize {
        let is_name = |expected: &&str| expected.as_bytes() == name;
        if self.names.get(self.next).is_some_and(is_name) {
            return self.next;
        }
        self.names.iter().position(is_name).unwrap_or(self.names.len())
    }
}

impl<'de> DeserializeSeed<'de> for Name {
    type Value = usize;

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<usize, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl Visitor<'_> for Name {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("field identifier")
    }

    #[inline]
    fn visit_u64<E: Error>(self, index: u64) -> Result<usize, E> {
        Ok(usize::try_from(index).unwrap_or(usize::MAX).min(self.names.len()))
    }

    #[inline]
    fn visit_str<E: Error>(self, name: &str) -> Result<usize, E> {
        Ok(self.index_of(name.as_bytes()))
    }

    #[inline]
    fn visit_bytes<E: Error>(self, name: &[u8]) -> Result<usize, E> {
        Ok(self.index_of(name))
    }
}

/// Deserializer of an argument that the peer did not send.
struct Missing<E> {
    name: &'static str,
    error: PhantomData<E>,
}

impl<'de, E: Error> Deserializer<'de> for Missing<E> {
    type Error = E;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, E> {
        Err(E::missing_field(self.name))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
        visitor.visit_none()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}
