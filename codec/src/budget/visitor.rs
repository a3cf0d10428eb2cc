use std::fmt;

use serde::de::{Deserializer, EnumAccess, Error, MapAccess, SeqAccess, Visitor};

use super::access::Parts;
use super::deserializer::Counted;
use super::meter::Place;
use super::told::Told;

/// A visitor, of which is counted what it is given.
pub(super) struct Counting<'m, V, const GROWS: bool> {
    inner: V,
    place: Place<'m>,
}

/// Of a value that has as many parts as its bytes say, each of which takes memory of its own.
pub(super) type Growing<'m, V> = Counting<'m, V, true>;

/// Of a value that has as many parts as its type says, and room for them.
pub(super) type Fixed<'m, V> = Counting<'m, V, false>;

impl<'m, V, const GROWS: bool> Counting<'m, V, GROWS> {
    #[inline]
    pub(super) fn new(inner: V, place: Place<'m>) -> Self {
        Self { inner, place }
    }
}

/// Values without parts.
macro_rules! plain {
    ($($method:ident($type:ty);)*) => {$(
        #[inline]
        fn $method<E: Error>(self, value: $type) -> Result<V::Value, E> {
            self.inner.$method::<Told<E>>(value).map_err(|told| told.0)
        }
    )*};
}

/// Values that take as much memory as they are long.
macro_rules! long {
    ($($method:ident($type:ty);)*) => {$(
        #[inline]
        fn $method<E: Error>(self, value: $type) -> Result<V::Value, E> {
            self.place.take_bytes(value.len())?;
            self.inner.$method::<Told<E>>(value).map_err(|told| told.0)
        }
    )*};
}

impl<'de, V: Visitor<'de>, const GROWS: bool> Visitor<'de> for Counting<'_, V, GROWS> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(f)
    }

    plain! {
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

    long! {
        visit_str(&str);
        visit_borrowed_str(&'de str);
        visit_string(String);
        visit_bytes(&[u8]);
        visit_borrowed_bytes(&'de [u8]);
        visit_byte_buf(Vec<u8>);
    }

    #[inline]
    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.inner.visit_none::<Told<E>>().map_err(|told| told.0)
    }

    #[inline]
    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.inner.visit_unit::<Told<E>>().map_err(|told| told.0)
    }

    #[inline]
    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        let place = self.place.enter::<V::Value, _>()?;
        self.inner.visit_some(Counted::new(deserializer, place)).map_err(|told| told.0)
    }

    #[inline]
    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        let place = self.place.enter::<V::Value, _>()?;
        self.inner.visit_newtype_struct(Counted::new(deserializer, place)).map_err(|told| told.0)
    }

    #[inline]
    fn visit_seq<A: SeqAccess<'de>>(self, parts: A) -> Result<V::Value, A::Error> {
        let place = self.place.enter::<V::Value, _>()?;
        self.inner.visit_seq(Parts::<_, GROWS>::new(parts, place)).map_err(|told| told.0)
    }

    #[inline]
    fn visit_map<A: MapAccess<'de>>(self, parts: A) -> Result<V::Value, A::Error> {
        let place = self.place.enter::<V::Value, _>()?;
        self.inner.visit_map(Parts::<_, GROWS>::new(parts, place)).map_err(|told| told.0)
    }

    #[inline]
    fn visit_enum<A: EnumAccess<'de>>(self, parts: A) -> Result<V::Value, A::Error> {
        let place = self.place.enter::<V::Value, _>()?;
        self.inner.visit_enum(Parts::<_, GROWS>::new(parts, place)).map_err(|told| told.0)
    }
}
