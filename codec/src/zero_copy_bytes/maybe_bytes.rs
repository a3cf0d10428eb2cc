//! Values of any type, encoded as bytes if the type is `Bytes` or `Vec<u8>`.
//!
//! For replies, which have no field that could carry an attribute, and for generated code, which
//! knows a type only by its spelling.

use std::any::Any;

use bytes::Bytes;
use isolated_workers_core::Value;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::byte_vec;

/// Encodes `value`; uses [`zero_copy_bytes::serialize`](super::serialize) if it is `Bytes`, and
/// [`byte_vec::serialize`] if it is a `Vec<u8>`.
#[inline]
pub fn serialize<T: Value, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    let any = value as &dyn Any;
    if let Some(bytes) = any.downcast_ref::<Bytes>() {
        super::serialize(bytes, serializer)
    } else if let Some(bytes) = any.downcast_ref::<Vec<u8>>() {
        byte_vec::serialize(bytes, serializer)
    } else {
        value.encode(serializer)
    }
}

/// Decodes a value that [`serialize`] encoded.
#[inline]
pub fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Value,
    D: Deserializer<'de>,
{
    let mut value = None;
    let any = &mut value as &mut dyn Any;
    if let Some(bytes) = any.downcast_mut::<Option<Bytes>>() {
        *bytes = Some(super::deserialize(deserializer)?);
    } else if let Some(bytes) = any.downcast_mut::<Option<Vec<u8>>>() {
        *bytes = Some(byte_vec::deserialize(deserializer)?);
    } else {
        value = Some(T::decode(deserializer)?);
    }
    Ok(value.expect("each branch sets the value"))
}

/// Value that serde encodes with [`serialize`] and decodes with [`deserialize`] of this module.
#[derive(Debug)]
pub struct MaybeBytes<T>(pub T);

impl<T: Value> Serialize for MaybeBytes<T> {
    #[inline]
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize(&self.0, serializer)
    }
}

impl<'de, T: Value> Deserialize<'de> for MaybeBytes<T> {
    #[inline]
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize(deserializer).map(Self)
    }
}

/// Borrowed value that serde encodes with [`serialize`] of this module.
#[derive(Debug)]
pub struct MaybeBytesRef<'a, T>(pub &'a T);

impl<T: Value> Serialize for MaybeBytesRef<'_, T> {
    #[inline]
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize(self.0, serializer)
    }
}
