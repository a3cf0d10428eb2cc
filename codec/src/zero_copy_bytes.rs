//! [`Bytes`] that are encoded and decoded without a copy: for `#[serde(with = "..")]` on a field.
//!
//! To serde, bytes are a slice. Encoding copies it into a buffer and decoding copies it out of one,
//! on both sides of a connection. A large field with this module is shared instead:
//!
//! - Encoding makes it a piece of the [`Body`](isolated_workers_core::Body), which is written
//!   without a copy. This applies from 64 KiB on, with `Postcard` and `Cbor`.
//! - Decoding makes it a part of the buffer that it was read into. This applies from 16 KiB on,
//!   with codecs that lend their bytes, such as `Postcard`.
//!
//! The bytes on the wire are the same with and without this module. Arguments of a `#[service]` and
//! replies that have the type `Bytes` use it without an attribute.
//!
//! ```
//! use bytes::Bytes;
//! use isolated_workers_codec::{Postcard, decode_body, encode_body, zero_copy_bytes};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize)]
//! struct Picture {
//!     name: String,
//!     #[serde(with = "zero_copy_bytes")]
//!     pixels: Bytes,
//! }
//!
//! let picture = Picture { name: "sea".into(), pixels: vec![7; 100_000].into() };
//! let body = encode_body(&Postcard, &picture)?;
//! assert_eq!(body.pieces()[1].as_ptr(), picture.pixels.as_ptr());
//!
//! let back: Picture = decode_body(&Postcard, &body)?;
//! assert!(body.as_bytes().as_ptr_range().contains(&back.pixels.as_ptr()));
//! # Ok::<(), isolated_workers_codec::CodecError>(())
//! ```
//!
//! Shared bytes keep the whole message, and the buffer that it was read into, in memory. To keep a
//! small part of a large message for a long time, copy it with `Bytes::copy_from_slice` or use a
//! `Vec<u8>`.

pub(crate) mod current_buffer;
pub(crate) mod current_bytes;
#[doc(hidden)]
pub mod maybe_bytes;

use std::fmt;

use bytes::Bytes;
use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserializer, Serializer};

use self::current_bytes::CurrentBytes;

/// Encodes `bytes` in the same form as `Bytes` of the crate `bytes`, and lets the codec share them.
///
/// # Errors
/// The errors of the serializer.
#[inline]
pub fn serialize<S: Serializer>(bytes: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
    let _current = CurrentBytes::set(bytes);
    serializer.serialize_bytes(bytes)
}

/// Decodes bytes, or a sequence of numbers. Shares the memory of the buffer if possible.
///
/// # Errors
/// The errors of the deserializer.
#[inline]
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
    deserializer.deserialize_byte_buf(BytesVisitor)
}

struct BytesVisitor;

impl<'de> Visitor<'de> for BytesVisitor {
    type Value = Bytes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes")
    }

    /// Also shares bytes that are lent only for this call: postcard lends its own in this way.
    #[inline]
    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Bytes, E> {
        Ok(current_buffer::share(bytes).unwrap_or_else(|| Bytes::copy_from_slice(bytes)))
    }

    #[inline]
    fn visit_byte_buf<E: Error>(self, bytes: Vec<u8>) -> Result<Bytes, E> {
        Ok(bytes.into())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Bytes, E> {
        Ok(Bytes::copy_from_slice(text.as_bytes()))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Bytes, E> {
        Ok(text.into())
    }

    /// For formats without bytes, and for peers that send a sequence of numbers.
    fn visit_seq<A: SeqAccess<'de>>(self, mut numbers: A) -> Result<Bytes, A::Error> {
        // The claimed length is not trusted.
        let mut bytes = Vec::with_capacity(numbers.size_hint().unwrap_or(0).min(4096));
        while let Some(byte) = numbers.next_element()? {
            bytes.push(byte);
        }
        Ok(bytes.into())
    }
}
