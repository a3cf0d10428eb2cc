//! Serde traits of a codec, wrapped so that every decoded value is counted.
//!
//! The wrappers are mutually recursive: a deserializer gets a visitor, the visitor gets an access
//! to the parts, and each part is decoded from a deserializer.

use std::fmt;

use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, VariantAccess, Visitor,
};

use super::meter::Scope;
use super::reason::WithReason;

/// Wrapper around a deserializer or a seed that counts the decoded values. A wrapped seed decodes
/// from a wrapped deserializer.
pub(super) struct Counting<'m, D> {
    inner: D,
    scope: Scope<'m>,
}

impl<'m, D> Counting<'m, D> {
    #[inline]
    pub(super) fn new(inner: D, scope: Scope<'m>) -> Self {
        Self { inner, scope }
    }
}

/// Forwards methods with a visitor that counts: [`Growing`] if the bytes decide the number of
/// parts, [`Fixed`] if the type does.
macro_rules! forward {
    ($visitor:ident: $($method:ident($($argument:ident: $type:ty),*);)*) => {$(
        #[inline]
        fn $method<V: Visitor<'de>>(self, $($argument: $type,)* visitor: V) -> Result<V::Value, Self::Error> {
            self.inner.$method($($argument,)* $visitor::new(visitor, self.scope)).map_err(WithReason)
        }
    )*};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Counting<'_, D> {
    type Error = WithReason<D::Error>;

    forward! { Growing:
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
        deserialize_unit();
        deserialize_unit_struct(name: &'static str);
        deserialize_seq();
        deserialize_map();
        deserialize_enum(name: &'static str, variants: &'static [&'static str]);
        deserialize_identifier();
        deserialize_ignored_any();
    }

    forward! { Fixed:
        // Also a `RawValue`, which JSON presents as a map with a reserved key.
        deserialize_newtype_struct(name: &'static str);
        deserialize_tuple(len: usize);
        deserialize_tuple_struct(name: &'static str, len: usize);
        deserialize_struct(name: &'static str, fields: &'static [&'static str]);
    }

    #[inline]
    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Counting<'_, S> {
    type Value = S::Value;

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        let deserializer = Counting::new(deserializer, self.scope.part::<S::Value>());
        self.inner.deserialize(deserializer).map_err(|error| error.0)
    }
}

/// Visitor that counts the values that it visits.
struct CountingVisitor<'m, V, const GROWS: bool> {
    inner: V,
    scope: Scope<'m>,
}

/// Visitor of a value whose bytes decide the number of parts. Each part takes additional memory.
type Growing<'m, V> = CountingVisitor<'m, V, true>;

/// Visitor of a value whose type decides the number of parts and includes their memory.
type Fixed<'m, V> = CountingVisitor<'m, V, false>;

impl<'m, V, const GROWS: bool> CountingVisitor<'m, V, GROWS> {
    #[inline]
    fn new(inner: V, scope: Scope<'m>) -> Self {
        Self { inner, scope }
    }
}

/// Visits values without parts.
macro_rules! scalar {
    ($($method:ident($type:ty);)*) => {$(
        #[inline]
        fn $method<E: Error>(self, value: $type) -> Result<V::Value, E> {
            self.inner.$method::<WithReason<E>>(value).map_err(|error| error.0)
        }
    )*};
}

/// Visits strings and bytes, whose memory equals their length.
macro_rules! long {
    ($take:ident: $($method:ident($type:ty);)*) => {$(
        #[inline]
        fn $method<E: Error>(self, value: $type) -> Result<V::Value, E> {
            self.scope.$take::<WithReason<E>>(&value).map_err(|error| error.0)?;
            self.inner.$method::<WithReason<E>>(value).map_err(|error| error.0)
        }
    )*};
}

impl<'de, V: Visitor<'de>, const GROWS: bool> Visitor<'de> for CountingVisitor<'_, V, GROWS> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(f)
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
    }

    long! { take_text:
        visit_str(&str);
        visit_borrowed_str(&'de str);
        visit_string(String);
    }

    long! { take_blob:
        visit_bytes(&[u8]);
        visit_borrowed_bytes(&'de [u8]);
        visit_byte_buf(Vec<u8>);
    }

    #[inline]
    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.inner.visit_none::<WithReason<E>>().map_err(|error| error.0)
    }

    #[inline]
    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.inner.visit_unit::<WithReason<E>>().map_err(|error| error.0)
    }

    #[inline]
    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        let scope = self.scope.enter::<V::Value, _>()?;
        self.inner.visit_some(Counting::new(deserializer, scope)).map_err(|error| error.0)
    }

    #[inline]
    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        let scope = self.scope.enter::<V::Value, _>()?;
        self.inner.visit_newtype_struct(Counting::new(deserializer, scope)).map_err(|error| error.0)
    }

    #[inline]
    fn visit_seq<A: SeqAccess<'de>>(self, parts: A) -> Result<V::Value, A::Error> {
        let scope = self.scope.enter::<V::Value, _>()?;
        self.inner.visit_seq(CountingAccess::<_, GROWS>::new(parts, scope)).map_err(|error| error.0)
    }

    #[inline]
    fn visit_map<A: MapAccess<'de>>(self, parts: A) -> Result<V::Value, A::Error> {
        let scope = self.scope.enter::<V::Value, _>()?;
        self.inner.visit_map(CountingAccess::<_, GROWS>::new(parts, scope)).map_err(|error| error.0)
    }

    #[inline]
    fn visit_enum<A: EnumAccess<'de>>(self, parts: A) -> Result<V::Value, A::Error> {
        let scope = self.scope.enter::<V::Value, _>()?;
        self.inner.visit_enum(CountingAccess::<_, GROWS>::new(parts, scope)).map_err(|error| error.0)
    }
}

/// Access to the parts of a value. Counts each part if the bytes decide their number.
struct CountingAccess<'m, A, const GROWS: bool> {
    inner: A,
    scope: Scope<'m>,
}

impl<'m, A, const GROWS: bool> CountingAccess<'m, A, GROWS> {
    #[inline]
    fn new(inner: A, scope: Scope<'m>) -> Self {
        Self { inner, scope }
    }
}

/// Seed of the next part, which may not exist.
struct PartSeed<'m, S, const GROWS: bool> {
    seed: S,
    scope: Scope<'m>,
    /// `true` if the part counts as an element. The value of a map entry does not, because its key
    /// counts.
    is_element: bool,
}

impl<'de, S: DeserializeSeed<'de>, const GROWS: bool> DeserializeSeed<'de> for PartSeed<'_, S, GROWS> {
    type Value = S::Value;

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        if GROWS {
            if self.is_element {
                self.scope.take_element()?;
            }
            self.scope.take_bytes(size_of::<S::Value>())?;
        }
        Counting::new(self.seed, self.scope).deserialize(deserializer)
    }
}

impl<'de, A: SeqAccess<'de>, const GROWS: bool> SeqAccess<'de> for CountingAccess<'_, A, GROWS> {
    type Error = WithReason<A::Error>;

    #[inline]
    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Self::Error> {
        let seed = PartSeed::<_, GROWS> { seed, scope: self.scope, is_element: true };
        self.inner.next_element_seed(seed).map_err(WithReason)
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        self.scope.expected(self.inner.size_hint())
    }
}

impl<'de, A: MapAccess<'de>, const GROWS: bool> MapAccess<'de> for CountingAccess<'_, A, GROWS> {
    type Error = WithReason<A::Error>;

    #[inline]
    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Self::Error> {
        let scope = if GROWS { self.scope.key() } else { self.scope };
        let seed = PartSeed::<_, GROWS> { seed, scope, is_element: true };
        self.inner.next_key_seed(seed).map_err(WithReason)
    }

    #[inline]
    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Self::Error> {
        let seed = PartSeed::<_, GROWS> { seed, scope: self.scope, is_element: false };
        self.inner.next_value_seed(seed).map_err(WithReason)
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        self.scope.expected(self.inner.size_hint())
    }
}

impl<'de, 'm, A: EnumAccess<'de>, const GROWS: bool> EnumAccess<'de> for CountingAccess<'m, A, GROWS> {
    type Error = WithReason<A::Error>;
    type Variant = CountingAccess<'m, A::Variant, GROWS>;

    #[inline]
    fn variant_seed<V: DeserializeSeed<'de>>(
        self,
        seed: V,
    ) -> Result<(V::Value, Self::Variant), Self::Error> {
        let (variant, rest) = self.inner.variant_seed(Counting::new(seed, self.scope)).map_err(WithReason)?;
        Ok((variant, CountingAccess::new(rest, self.scope)))
    }
}

impl<'de, A: VariantAccess<'de>, const GROWS: bool> VariantAccess<'de> for CountingAccess<'_, A, GROWS> {
    type Error = WithReason<A::Error>;

    #[inline]
    fn unit_variant(self) -> Result<(), Self::Error> {
        self.inner.unit_variant().map_err(WithReason)
    }

    #[inline]
    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Self::Error> {
        self.inner.newtype_variant_seed(Counting::new(seed, self.scope)).map_err(WithReason)
    }

    #[inline]
    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Self::Error> {
        self.inner.tuple_variant(len, Fixed::new(visitor, self.scope)).map_err(WithReason)
    }

    #[inline]
    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        self.inner.struct_variant(fields, Fixed::new(visitor, self.scope)).map_err(WithReason)
    }
}
