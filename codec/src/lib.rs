//! Values to bytes, and frames in a stream.
//!
//! A [`Codec`] does two things: it encodes and decodes the payloads of messages, and it names the [`Framing`] that
//! delimits whole frames in the stream between two processes. Framings are [`tokio_util::codec`] types, so each can be
//! used by itself over any byte stream.
//!
//! | codec | framing | good for |
//! |---|---|---|
//! | [`Json`] | [`JsonLines`]: one object a line | reading along; peers in other languages. The default |
//! | [`Postcard`] | [`LengthPrefixed`] | speed and size between two Rust programs |
//! | [`Cbor`] | [`LengthPrefixed`] | binary with peers in other languages; types that `Postcard` does not fit |
//! | [`Compressed<C>`](Compressed) | [`CompressedFrames`]: those of `C`, with zlib | large payloads over what is slower than memory |
//!
//! What a value may take while it is decoded is counted for every codec in the same way: [`decode_within`].
//! Large bytes need not be copied: [`zero_copy_bytes`].

mod budget;
#[cfg(feature = "cbor")]
mod cbor;
mod codec;
#[cfg(feature = "compression")]
mod compressed;
mod default_codec;
mod framing;
#[cfg(feature = "json")]
mod json;
mod length_prefixed;
mod pieces;
#[cfg(feature = "postcard")]
mod postcard;
pub mod zero_copy_bytes;

pub use budget::{decode_body, decode_within};
#[cfg(feature = "cbor")]
pub use cbor::Cbor;
pub use codec::{Codec, CodecError};
#[cfg(feature = "compression")]
pub use compressed::{Compressed, CompressedFrames};
pub use default_codec::DefaultCodec;
#[cfg(not(feature = "json"))]
pub use default_codec::NoCodec;
pub use framing::{FrameError, Framing};
#[cfg(feature = "json")]
pub use json::{Delimiter, DelimiterError, Json, JsonLines};
pub use length_prefixed::LengthPrefixed;
pub use pieces::{Pieces, SharedPieces, encode_body};
#[cfg(feature = "postcard")]
pub use postcard::Postcard;
