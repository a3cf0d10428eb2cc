//! Values of any type, of which those that are `Bytes` are shared: for replies, which have no field to put an attribute
//! on, and for code that a macro writes, which knows of a type only how it is written.

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Encodes `value`, by [`serialize`](super::serialize) where it is `Bytes`.
#[inline]
pub fn serialize<T: Serialize + 'static, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    match (value as &dyn std::any::Any).downcast_ref::<Bytes>() {
        Some(bytes) => super::serialize(bytes, serializer),
        None => value.serialize(serializer),
    }
}

/// Decodes a value, by [`deserialize`](super::deserialize) where it is `Bytes`.
#[inline]
pub fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Deserialize<'de> + 'static,
    D: Deserializer<'de>,
{
    let mut value = None;
    match (&mut value as &mut dyn std::any::Any).downcast_mut::<Option<Bytes>>() {
        Some(bytes) => *bytes = Some(super::deserialize(deserializer)?),
        None => value = Some(T::deserialize(deserializer)?),
    }
    Ok(value.expect("it has just been set"))
}

/// A value that goes by [`serialize`] and [`deserialize`].
#[derive(Debug)]
pub struct Whatever<T>(pub T);

impl<T: Serialize + 'static> Serialize for Whatever<&T> {
    #[inline]
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize(self.0, serializer)
    }
}

impl<'de, T: Deserialize<'de> + 'static> Deserialize<'de> for Whatever<T> {
    #[inline]
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize(deserializer).map(Self)
    }
}
