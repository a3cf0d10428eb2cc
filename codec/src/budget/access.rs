use serde::de::{DeserializeSeed, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor};

use super::deserializer::Counted;
use super::meter::Place;
use super::told::Told;
use super::visitor::Fixed;

/// The parts of a value, each of which is counted where there are as many as the bytes say.
pub(super) struct Parts<'m, A, const GROW: bool> {
    inner: A,
    place: Place<'m>,
}

impl<'m, A, const GROW: bool> Parts<'m, A, GROW> {
    #[inline]
    pub(super) fn new(inner: A, place: Place<'m>) -> Self {
        Self { inner, place }
    }
}

/// A part that has been asked for, and may not be there.
struct Next<'m, S, const GROW: bool> {
    seed: S,
    place: Place<'m>,
    /// Whether it counts as an element. The value of an entry does not: its key has.
    first: bool,
}

impl<'de, S: DeserializeSeed<'de>, const GROW: bool> DeserializeSeed<'de> for Next<'_, S, GROW> {
    type Value = S::Value;

    #[inline]
    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        if GROW {
            if self.first {
                self.place.take_element()?;
            }
            self.place.take_bytes(size_of::<S::Value>())?;
        }
        Counted::new(self.seed, self.place).deserialize(deserializer)
    }
}

impl<'de, A: SeqAccess<'de>, const GROW: bool> SeqAccess<'de> for Parts<'_, A, GROW> {
    type Error = Told<A::Error>;

    #[inline]
    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Self::Error> {
        let next = Next::<_, GROW> { seed, place: self.place, first: true };
        self.inner.next_element_seed(next).map_err(Told)
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        self.place.expected(self.inner.size_hint())
    }
}

impl<'de, A: MapAccess<'de>, const GROW: bool> MapAccess<'de> for Parts<'_, A, GROW> {
    type Error = Told<A::Error>;

    #[inline]
    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Self::Error> {
        let next = Next::<_, GROW> { seed, place: self.place, first: true };
        self.inner.next_key_seed(next).map_err(Told)
    }

    #[inline]
    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Self::Error> {
        let next = Next::<_, GROW> { seed, place: self.place, first: false };
        self.inner.next_value_seed(next).map_err(Told)
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        self.place.expected(self.inner.size_hint())
    }
}

impl<'de, 'm, A: EnumAccess<'de>, const GROW: bool> EnumAccess<'de> for Parts<'m, A, GROW> {
    type Error = Told<A::Error>;
    type Variant = Parts<'m, A::Variant, GROW>;

    #[inline]
    fn variant_seed<V: DeserializeSeed<'de>>(
        self,
        seed: V,
    ) -> Result<(V::Value, Self::Variant), Self::Error> {
        let (variant, rest) = self.inner.variant_seed(Counted::new(seed, self.place)).map_err(Told)?;
        Ok((variant, Parts::new(rest, self.place)))
    }
}

impl<'de, A: VariantAccess<'de>, const GROW: bool> VariantAccess<'de> for Parts<'_, A, GROW> {
    type Error = Told<A::Error>;

    #[inline]
    fn unit_variant(self) -> Result<(), Self::Error> {
        self.inner.unit_variant().map_err(Told)
    }

    #[inline]
    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Self::Error> {
        self.inner.newtype_variant_seed(Counted::new(seed, self.place)).map_err(Told)
    }

    #[inline]
    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Self::Error> {
        self.inner.tuple_variant(len, Fixed::new(visitor, self.place)).map_err(Told)
    }

    #[inline]
    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        self.inner.struct_variant(fields, Fixed::new(visitor, self.place)).map_err(Told)
    }
}
