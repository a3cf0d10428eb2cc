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
//! In a text format such as `Json`, the bytes become base64, as with [`byte_vec`]. The bytes on the
//! wire of a binary format are the same with and without this module. Arguments of a `#[service]`
//! and replies that have the type `Bytes` use it without an attribute.
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

use bytes::Bytes;
use serde::{Deserializer, Serializer};

use self::current_bytes::CurrentBytes;
use crate::byte_vec;

/// Encodes `bytes` in the same form as [`byte_vec`], and lets the codec share them.
///
/// # Errors
/// The errors of the serializer.
#[inline]
pub fn serialize<S: Serializer>(bytes: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
    let _current = CurrentBytes::set(bytes);
    byte_vec::serialize(bytes, serializer)
}

/// Decodes bytes, base64 text in a text format, or a sequence of numbers. Shares the memory of the
/// buffer if possible.
///
/// # Errors
/// The errors of the deserializer.
#[inline]
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
    byte_vec::decode(deserializer, share_or_copy)
}

/// Also shares bytes that are lent only for this call: postcard lends its own in this way.
#[inline]
fn share_or_copy(bytes: &[u8]) -> Bytes {
    current_buffer::share(bytes).unwrap_or_else(|| Bytes::copy_from_slice(bytes))
}
