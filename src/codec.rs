//! Codecs, which serialize values to bytes, and framings, which delimit frames in a byte stream.
//!
//! | codec | feature | use it for |
//! |---|---|---|
//! | `Json` | `json` (default) | readable traffic, and peers in other languages |
//! | `Postcard` | `postcard` | fast calls and small messages between Rust programs |
//! | `Cbor` | `cbor` | a binary format that other languages support |
//! | `Compressed` | `compression` | large payloads over a slow stream |
//!
//! Host and worker must use the same codec: the handshake compares [`Codec::ID`]. Choose a codec
//! with [`Builder::codec`](crate::host::Builder::codec) on the host and
//! [`Serve::codec`](crate::worker::Serve::codec) on the worker. The default is [`DefaultCodec`].
//!
//! An [`Fd`] in a value hands over an open file, socket or pipe.
//!
//! To add a codec, implement [`Codec`]; [`LengthPrefixed`] frames any binary format.

#[cfg(feature = "cbor")]
pub use isolated_workers_codec::Cbor;
#[cfg(feature = "postcard")]
pub use isolated_workers_codec::Postcard;
pub use isolated_workers_codec::{
    BodyLimit, Codec, CodecError, DefaultCodec, Fd, FrameError, Framing, LengthPrefixed, Pieces,
    SharedPieces, byte_vec, decode_body, decode_within, encode_body, zero_copy_bytes,
};
#[cfg(feature = "compression")]
pub use isolated_workers_codec::{Compressed, CompressedFrames};
#[cfg(feature = "json")]
pub use isolated_workers_codec::{Delimiter, DelimiterError, Json, JsonLines};
