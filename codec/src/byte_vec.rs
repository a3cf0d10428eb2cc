//! Bytes that are encoded as bytes, not as a sequence of numbers: for `#[serde(with = "..")]` on a
//! field.
//!
//! To serde, a `Vec<u8>` is a sequence of numbers, which takes many times as long to encode and to
//! decode. This module is for a `Vec<u8>` and every other type that is a [slice of bytes](AsRef)
//! and made [from a `Vec<u8>`](From), such as `Box<[u8]>`:
//!
//! - A binary format, such as `Postcard` and `Cbor`, gets bytes.
//! - A text format, such as `Json`, gets base64 in the standard alphabet with padding ([RFC
//!   4648](https://datatracker.ietf.org/doc/html/rfc4648#section-4)).
//!
//! Decoding also accepts the sequence of numbers, and base64 without padding. Arguments of a
//! `#[service]` and replies that have the type `Vec<u8>` use it without an attribute.
//!
//! ```
//! use isolated_workers_codec::{Json, byte_vec, decode_body, encode_body};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize)]
//! struct Key {
//!     #[serde(with = "byte_vec")]
//!     bytes: Vec<u8>,
//! }
//!
//! let body = encode_body(&Json, &Key { bytes: b"secret".to_vec() })?;
//! assert_eq!(body.as_bytes(), br#"{"bytes":"c2VjcmV0"}"#);
//! let key: Key = decode_body(&Json, &body)?;
//! assert_eq!(key.bytes, b"secret");
//! # Ok::<(), isolated_workers_codec::CodecError>(())
//! ```

use std::fmt;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::display::Base64Display;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserializer, Serializer};

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Encodes `bytes` as bytes, or as base64 in a text format.
///
/// # Errors
/// The errors of the serializer.
#[inline]
pub fn serialize<S: Serializer>(
    bytes: &(impl AsRef<[u8]> + ?Sized),
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let bytes = bytes.as_ref();
    if serializer.is_human_readable() {
        // In parts, so that a limit ends it and no text is kept in memory.
        serializer.collect_str(&Base64Display::new(bytes, &BASE64))
    } else {
        serializer.serialize_bytes(bytes)
    }
}

/// Decodes bytes, base64 in a text format, or a sequence of numbers.
///
/// # Errors
/// The errors of the deserializer.
#[inline]
pub fn deserialize<'de, T: From<Vec<u8>>, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    decode(deserializer, <[u8]>::to_vec).map(T::from)
}

/// Decodes any form of bytes. `copy` converts bytes that are lent.
#[inline]
pub(crate) fn decode<'de, T: From<Vec<u8>>, D: Deserializer<'de>>(
    deserializer: D,
    copy: fn(&[u8]) -> T,
) -> Result<T, D::Error> {
    if deserializer.is_human_readable() {
        // Asked for bytes, a text format would return the bytes of the text.
        deserializer.deserialize_any(BytesVisitor { copy, is_base64: true })
    } else {
        deserializer.deserialize_byte_buf(BytesVisitor { copy, is_base64: false })
    }
}

struct BytesVisitor<T> {
    copy: fn(&[u8]) -> T,
    /// `true` if text is base64. In a binary format without a type for bytes, text is bytes.
    is_base64: bool,
}

impl<'de, T: From<Vec<u8>>> Visitor<'de> for BytesVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes: base64 text or a sequence of numbers")
    }

    #[inline]
    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<T, E> {
        Ok((self.copy)(bytes))
    }

    #[inline]
    fn visit_byte_buf<E: Error>(self, bytes: Vec<u8>) -> Result<T, E> {
        Ok(bytes.into())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        if !self.is_base64 {
            return Ok((self.copy)(text.as_bytes()));
        }
        match BASE64.decode(text) {
            Ok(bytes) => Ok(bytes.into()),
            Err(error) => Err(E::custom(format_args!("invalid base64 text: {error}"))),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut numbers: A) -> Result<T, A::Error> {
        // The claimed length is not trusted.
        let mut bytes = Vec::with_capacity(numbers.size_hint().unwrap_or(0).min(4096));
        while let Some(byte) = numbers.next_element()? {
            bytes.push(byte);
        }
        Ok(bytes.into())
    }
}
