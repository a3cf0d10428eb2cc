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

mod codec;
mod framing;
mod json;
mod length_prefixed;
mod postcard;

pub use codec::{Codec, CodecError};
pub use framing::{FrameError, Framing};
pub use json::{Json, JsonLines};
pub use length_prefixed::LengthPrefixed;
pub use postcard::Postcard;
