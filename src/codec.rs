//! Codecs turn values into bytes; framings find frames in a byte stream.
//!
//! [`Json`] is the default. Host and worker must use the same codec; the handshake compares them by name. Choose
//! another with [`Builder::codec`](crate::host::Builder::codec) and [`Serve::codec`](crate::worker::Serve::codec).
//!
//! To add a codec, implement [`Codec`]; [`LengthPrefixed`] frames any binary format.

pub use isolated_workers_codec::{
    Cbor, Codec, CodecError, Compressed, CompressedFrames, Delimiter, DelimiterError, FrameError, Framing,
    Json, JsonLines, LengthPrefixed, Pieces, Postcard, SharedPieces, decode_body, decode_within, encode_body,
    zero_copy_bytes,
};
