use serde::de::{DeserializeSeed, Deserializer, Visitor};

use super::meter::Place;
use super::told::Told;
use super::visitor::{Fixed, Growing};

/// A codec's deserializer, of which is counted what comes out. Around a seed, it makes the seed take such a one.
pub(super) struct Counted<'m, D> {
    inner: D,
    place: Place<'m>,
}

impl<'m, D> Counted<'m, D> {
    #[inline]
    pub(super) fn new(inner: D, place: Place<'m>) -> Self {
        Self { inner, place }
    }
}

/// Passes a method on, with a visitor that counts. A type decides how many parts a [`Fixed`] value has, the bytes how
/// many a [`Growing`] one has.
macro_rules! forward {
    ($around:ident: $($method:ident($($argument:ident: $type:ty),*);)*) => {$(
        #[inline]
        fn $method<V: Visitor<'de>>(self, $($argument: $type,)* visitor: V) -> Result<V::Value, Self::Error> {
            self.inner.$method($($argument,)* $around::new(visitor, self.place)).map_err(Told)
        }
    )*};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Counted<'_, D> {
    type Error = Told<D::Error>;

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
        deserialize_newtype_struct(name: &'static str);
        deserialize_seq();
        deserialize_map();
        deserialize_enum(name: &'static str, variants: &'static [&'static str]);
        deserialize_identifier();
        deserialize_ignored_any();
    }

    forward! { Fixed:
        deserialize_tuple(len: usize);
        deserialize_tuple_struct(name: &'static str, len: usize);
        deserialize_struct(name: &'static str, fields: &'static [&'static str]);
    }

    #[inline]
    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Counted<'_, S> {
    type Value = S::Value;

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        let deserializer = Counted::new(deserializer, self.place.part::<S::Value>());
        self.inner.deserialize(deserializer).map_err(|told| told.0)
    }
}
