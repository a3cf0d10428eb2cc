//! Codecs and framings of isolated-workers: values to bytes, and frames in a byte stream.
//!
//! A [`Codec`] encodes and decodes the payloads of messages, and names the [`Framing`] that
//! delimits frames in the stream between two processes. A framing implements the
//! [`tokio_util::codec`] traits, so it also works on its own, over any byte stream.
//!
//! | codec | feature | framing | use it for |
//! |---|---|---|---|
//! | [`Json`] | `json` (default) | [`JsonLines`]: one object per line | readable traffic; peers in other languages |
//! | [`Postcard`] | `postcard` | [`LengthPrefixed`] | speed and small messages between two Rust programs |
//! | [`Cbor`] | `cbor` | [`LengthPrefixed`] | binary with peers in other languages; types that [`Postcard`] cannot carry |
//! | [`Compressed<C>`](Compressed) | `compression` | [`CompressedFrames`]: those of `C`, with zlib | large payloads over a slow stream |
//!
//! [`decode_within`] limits the memory and the nesting of a decoded value, for every codec.
//! [`byte_vec`] encodes bytes as bytes, and [`zero_copy_bytes`] does so without copying large ones.

mod body;
mod body_limit;
mod budget;
pub mod byte_vec;
#[cfg(feature = "cbor")]
mod cbor;
mod codec;
mod codec_error;
#[cfg(feature = "compression")]
mod compressed;
mod default_codec;
mod fd;
mod frame_error;
mod framing;
#[cfg(feature = "json")]
mod json;
mod length_prefixed;
mod pieces;
#[cfg(feature = "postcard")]
mod postcard;
pub mod zero_copy_bytes;

pub use body::{decode_body, encode_body};
pub use body_limit::BodyLimit;
pub use budget::decode_within;
#[cfg(feature = "cbor")]
pub use cbor::Cbor;
pub use codec::Codec;
pub use codec_error::CodecError;
#[cfg(feature = "compression")]
pub use compressed::{Compressed, CompressedFrames};
pub use default_codec::DefaultCodec;
#[cfg(not(feature = "json"))]
pub use default_codec::NoCodec;
pub use fd::Fd;
#[doc(hidden)]
pub use fd::collect_descriptors;
pub use frame_error::FrameError;
pub use framing::Framing;
#[doc(hidden)]
pub use framing::MAX_COPIED_BYTES;
#[cfg(feature = "json")]
pub use json::{Delimiter, DelimiterError, Json, JsonLines};
pub use length_prefixed::LengthPrefixed;
pub use pieces::{Pieces, SharedPieces};
#[cfg(feature = "postcard")]
pub use postcard::Postcard;
