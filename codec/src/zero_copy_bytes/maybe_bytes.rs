//! Values of any type, with zero-copy encoding if the type is `Bytes`.
//!
//! For replies, which have no field that could carry an attribute, and for generated code, which
//! knows a type only by its spelling.

use std::any::Any;

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Encodes `value`; uses [`zero_copy_bytes::serialize`](super::serialize) if it is `Bytes`.
#[inline]
pub fn serialize<T: Serialize + 'static, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    match (value as &dyn Any).downcast_ref::<Bytes>() {
        Some(bytes) => super::serialize(bytes, serializer),
        None => value.serialize(serializer),
    }
}

/// Decodes a value; uses [`zero_copy_bytes::deserialize`](super::deserialize) if `T` is `Bytes`.
#[inline]
pub fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Deserialize<'de> + 'static,
    D: Deserializer<'de>,
{
    let mut value = None;
    match (&mut value as &mut dyn Any).downcast_mut::<Option<Bytes>>() {
        Some(bytes) => *bytes = Some(super::deserialize(deserializer)?),
        None => value = Some(T::deserialize(deserializer)?),
    }
    Ok(value.expect("both branches set the value"))
}

/// Value that serde encodes with [`serialize`] and decodes with [`deserialize`] of this module.
#[derive(Debug)]
pub struct MaybeBytes<T>(pub T);

impl<T: Serialize + 'static> Serialize for MaybeBytes<&T> {
    #[inline]
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize(self.0, serializer)
    }
}

impl<'de, T: Deserialize<'de> + 'static> Deserialize<'de> for MaybeBytes<T> {
    #[inline]
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize(deserializer).map(Self)
    }
}
