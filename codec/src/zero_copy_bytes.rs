//! How [`Bytes`] travel that are not copied on their way: for `#[serde(with = "..")]` on a field.
//!
//! To serde, bytes are a slice: encoding copies it into a buffer, decoding copies it out of one, on both sides of a
//! connection. A field of this module is shared instead where it is large: encoded, it is a piece of the
//! [`Body`](isolated_workers_core::Body) that is written from where it is (from 64 KiB on, with
//! [`Postcard`](crate::Postcard) and [`Cbor`](crate::Cbor)); decoded, it is a part of the buffer that it came in (from
//! 16 KiB on, with codecs that lend their bytes, as `Postcard` does). What travels is the same with and without. The
//! arguments of a `#[service]` and the replies that are of the type `Bytes` are so without being asked.
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
//! What is shared keeps the whole message in memory, and the buffer that it was read into, for as long as one part of it
//! is there. Who keeps a small part of a large message for long had better copy it (`Bytes::copy_from_slice`), or ask
//! for a `Vec<u8>`.

#[doc(hidden)]
pub mod maybe_bytes;
pub(crate) mod offer;
pub(crate) mod source;

use std::fmt;

use bytes::Bytes;
use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserializer, Serializer};

/// Encodes `bytes` as `Bytes` of the crate `bytes` does it, and offers them to be shared.
///
/// # Errors
/// Those of the serializer.
#[inline]
pub fn serialize<S: Serializer>(bytes: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
    let _offer = offer::make(bytes);
    serializer.serialize_bytes(bytes)
}

/// Decodes what [`serialize`] has written, also as a sequence of numbers, and shares it where it can.
///
/// # Errors
/// Those of the deserializer.
#[inline]
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
    deserializer.deserialize_byte_buf(Parts)
}

struct Parts;

impl<'de> Visitor<'de> for Parts {
    type Value = Bytes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes")
    }

    /// Also of bytes that are lent for the moment: postcard says so of its own.
    #[inline]
    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Bytes, E> {
        Ok(source::share(bytes).unwrap_or_else(|| Bytes::copy_from_slice(bytes)))
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

    /// From a format without bytes, or a peer that makes a sequence of them.
    fn visit_seq<A: SeqAccess<'de>>(self, mut numbers: A) -> Result<Bytes, A::Error> {
        let mut bytes = Vec::with_capacity(numbers.size_hint().unwrap_or(0).min(4096));
        while let Some(byte) = numbers.next_element()? {
            bytes.push(byte);
        }
        Ok(bytes.into())
    }
}
