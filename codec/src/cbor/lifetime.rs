//! Decoding of types with a lifetime from a source that cannot be borrowed from.
//!
//! Ciborium reads from a stream and decodes only types that borrow nothing, but a codec must decode
//! any type. A borrowing type is refused by its own visitor, because the visitor gets a string that
//! it cannot keep.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, VariantAccess,
    Visitor,
};

/// Value with the lifetime `'de` in its type, decoded from bytes with any lifetime.
pub(super) struct Unborrowed<'de, T> {
    pub(super) value: T,
    lifetime: PhantomData<&'de ()>,
}

impl<'de, 'any, T: Deserialize<'de>> Deserialize<'any> for Unborrowed<'de, T> {
    #[inline]
    fn deserialize<D: Deserializer<'any>>(deserializer: D) -> Result<Self, D::Error> {
        let value = T::deserialize(AnyLifetime::<_>::new(deserializer))?;
        Ok(Self { value, lifetime: PhantomData })
    }
}

/// Adapts a deserializer, visitor, seed or access for one lifetime to any other lifetime.
///
/// A visitor with `NULL_IS_UNIT` gets a unit for `null` instead of `None`. The type has not asked
/// for an option, and serde's buffer for `tag` and `untagged` makes an option of a unit, but no
/// unit of `None`.
struct AnyLifetime<'of, X, const NULL_IS_UNIT: bool = false>(X, PhantomData<&'of ()>);

impl<X, const NULL_IS_UNIT: bool> AnyLifetime<'_, X, NULL_IS_UNIT> {
    #[inline]
    fn new(inner: X) -> Self {
        Self(inner, PhantomData)
    }
}

macro_rules! forward {
    ($($method:ident($($argument:ident: $type:ty),*) as $inner:ident;)*) => {$(
        #[inline]
        fn $method<V: Visitor<'de>>(self, $($argument: $type,)* visitor: V) -> Result<V::Value, D::Error> {
            self.0.$inner($($argument,)* AnyLifetime::<_>::new(visitor))
        }
    )*};
}

impl<'de, 'any, D: Deserializer<'any>> Deserializer<'de> for AnyLifetime<'any, D> {
    type Error = D::Error;

    #[inline]
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_any(AnyLifetime::<_, true>::new(visitor))
    }

    forward! {
        deserialize_bool() as deserialize_bool;
        deserialize_i8() as deserialize_i8;
        deserialize_i16() as deserialize_i16;
        deserialize_i32() as deserialize_i32;
        deserialize_i64() as deserialize_i64;
        deserialize_i128() as deserialize_i128;
        deserialize_u8() as deserialize_u8;
        deserialize_u16() as deserialize_u16;
        deserialize_u32() as deserialize_u32;
        deserialize_u64() as deserialize_u64;
        deserialize_u128() as deserialize_u128;
        deserialize_f32() as deserialize_f32;
        deserialize_f64() as deserialize_f64;
        deserialize_char() as deserialize_char;
        // The methods that lend a string or bytes are limited to 4 KiB, so the methods for owned
        // values are used.
        deserialize_str() as deserialize_string;
        deserialize_string() as deserialize_string;
        deserialize_bytes() as deserialize_byte_buf;
        deserialize_byte_buf() as deserialize_byte_buf;
        deserialize_option() as deserialize_option;
        deserialize_unit() as deserialize_unit;
        deserialize_unit_struct(name: &'static str) as deserialize_unit_struct;
        deserialize_newtype_struct(name: &'static str) as deserialize_newtype_struct;
        deserialize_seq() as deserialize_seq;
        deserialize_tuple(len: usize) as deserialize_tuple;
        deserialize_tuple_struct(name: &'static str, len: usize) as deserialize_tuple_struct;
        deserialize_map() as deserialize_map;
        deserialize_struct(name: &'static str, fields: &'static [&'static str]) as deserialize_struct;
        deserialize_enum(name: &'static str, variants: &'static [&'static str]) as deserialize_enum;
        deserialize_identifier() as deserialize_identifier;
        deserialize_ignored_any() as deserialize_ignored_any;
    }

    #[inline]
    fn is_human_readable(&self) -> bool {
        self.0.is_human_readable()
    }
}

macro_rules! scalar {
    ($($method:ident($type:ty);)*) => {$(
        #[inline]
        fn $method<E: Error>(self, value: $type) -> Result<V::Value, E> {
            self.0.$method(value)
        }
    )*};
}

/// The methods that lend for `'any` have their defaults, which call those that do not lend.
impl<'de, 'any, V: Visitor<'de>, const NULL_IS_UNIT: bool> Visitor<'any>
    for AnyLifetime<'de, V, NULL_IS_UNIT>
{
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }

    scalar! {
        visit_bool(bool);
        visit_i8(i8);
        visit_i16(i16);
        visit_i32(i32);
        visit_i64(i64);
        visit_i128(i128);
        visit_u8(u8);
        visit_u16(u16);
        visit_u32(u32);
        visit_u64(u64);
        visit_u128(u128);
        visit_f32(f32);
        visit_f64(f64);
        visit_char(char);
        visit_str(&str);
        visit_string(String);
        visit_bytes(&[u8]);
        visit_byte_buf(Vec<u8>);
    }

    #[inline]
    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        if NULL_IS_UNIT { self.0.visit_unit() } else { self.0.visit_none() }
    }

    #[inline]
    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.0.visit_unit()
    }

    #[inline]
    fn visit_some<D: Deserializer<'any>>(self, inner: D) -> Result<V::Value, D::Error> {
        self.0.visit_some(AnyLifetime::<_>::new(inner))
    }

    #[inline]
    fn visit_newtype_struct<D: Deserializer<'any>>(self, inner: D) -> Result<V::Value, D::Error> {
        self.0.visit_newtype_struct(AnyLifetime::<_>::new(inner))
    }

    #[inline]
    fn visit_seq<A: SeqAccess<'any>>(self, parts: A) -> Result<V::Value, A::Error> {
        self.0.visit_seq(AnyLifetime::<_>::new(parts))
    }

    #[inline]
    fn visit_map<A: MapAccess<'any>>(self, parts: A) -> Result<V::Value, A::Error> {
        self.0.visit_map(AnyLifetime::<_>::new(parts))
    }

    #[inline]
    fn visit_enum<A: EnumAccess<'any>>(self, parts: A) -> Result<V::Value, A::Error> {
        self.0.visit_enum(AnyLifetime::<_>::new(parts))
    }
}

impl<'de, 'any, S: DeserializeSeed<'de>> DeserializeSeed<'any> for AnyLifetime<'de, S> {
    type Value = S::Value;

    #[inline]
    fn deserialize<D: Deserializer<'any>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        self.0.deserialize(AnyLifetime::<_>::new(deserializer))
    }
}

impl<'de, 'any, A: SeqAccess<'any>> SeqAccess<'de> for AnyLifetime<'any, A> {
    type Error = A::Error;

    #[inline]
    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        self.0.next_element_seed(AnyLifetime::<_>::new(seed))
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

impl<'de, 'any, A: MapAccess<'any>> MapAccess<'de> for AnyLifetime<'any, A> {
    type Error = A::Error;

    #[inline]
    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        self.0.next_key_seed(AnyLifetime::<_>::new(seed))
    }

    #[inline]
    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.0.next_value_seed(AnyLifetime::<_>::new(seed))
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

impl<'de, 'any, A: EnumAccess<'any>> EnumAccess<'de> for AnyLifetime<'any, A> {
    type Error = A::Error;
    type Variant = AnyLifetime<'any, A::Variant>;

    #[inline]
    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self::Variant), A::Error> {
        let (variant, rest) = self.0.variant_seed(AnyLifetime::<_>::new(seed))?;
        Ok((variant, AnyLifetime::<_>::new(rest)))
    }
}

impl<'de, 'any, A: VariantAccess<'any>> VariantAccess<'de> for AnyLifetime<'any, A> {
    type Error = A::Error;

    #[inline]
    fn unit_variant(self) -> Result<(), A::Error> {
        self.0.unit_variant()
    }

    #[inline]
    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, A::Error> {
        self.0.newtype_variant_seed(AnyLifetime::<_>::new(seed))
    }

    #[inline]
    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, A::Error> {
        self.0.tuple_variant(len, AnyLifetime::<_>::new(visitor))
    }

    #[inline]
    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        self.0.struct_variant(fields, AnyLifetime::<_>::new(visitor))
    }
}
