//! Values of any type, encoded as bytes if the type is `Bytes` or `Vec<u8>`.
//!
//! For replies, which have no field that could carry an attribute, and for generated code, which
//! knows a type only by its spelling.

use std::any::Any;

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::byte_vec;

/// Encodes `value`; uses [`zero_copy_bytes::serialize`](super::serialize) if it is `Bytes`, and
/// [`byte_vec::serialize`] if it is a `Vec<u8>`.
#[inline]
pub fn serialize<T: Serialize + 'static, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    let any = value as &dyn Any;
    if let Some(bytes) = any.downcast_ref::<Bytes>() {
        super::serialize(bytes, serializer)
    } else if let Some(bytes) = any.downcast_ref::<Vec<u8>>() {
        byte_vec::serialize(bytes, serializer)
    } else {
        value.serialize(serializer)
    }
}

/// Decodes a value that [`serialize`] encoded.
#[inline]
pub fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Deserialize<'de> + 'static,
    D: Deserializer<'de>,
{
    let mut value = None;
    let any = &mut value as &mut dyn Any;
    if let Some(bytes) = any.downcast_mut::<Option<Bytes>>() {
        *bytes = Some(super::deserialize(deserializer)?);
    } else if let Some(bytes) = any.downcast_mut::<Option<Vec<u8>>>() {
        *bytes = Some(byte_vec::deserialize(deserializer)?);
    } else {
        value = Some(T::deserialize(deserializer)?);
    }
    Ok(value.expect("each branch sets the value"))
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
