mod compressed_frames;
mod expansion;
mod zlib;

use bytes::BytesMut;
use isolated_workers_core::Limits;
use serde::{Deserialize, Serialize};

pub use self::compressed_frames::CompressedFrames;
use crate::{BodyLimit, Codec, CodecError, Pieces};

/// Codec `C` with its large frames compressed with zlib.
///
/// A frame is compressed if it reaches the threshold and gets smaller. If its first KiB, or its
/// first 16, do not get a sixteenth smaller, the rest is not tried. Compression pays off on a
/// stream that is slower than memory, or if the bytes are stored. Between two processes on one
/// machine it usually costs more than it saves.
///
/// Both sides must use it. They may differ in [`threshold`](Self::threshold) and
/// [`level`](Self::level).
///
/// ```
/// use isolated_workers_codec::{Codec, Compressed, Postcard};
///
/// let codec = Compressed::new(Postcard).threshold(16 << 10).level(1);
/// # fn name<C: Codec>(_: C) -> &'static str { C::ID }
/// assert_eq!(name(codec), "compressed+postcard");
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Compressed<C> {
    codec: C,
    options: CompressionOptions,
}

/// Name of the setting of the cap in errors.
const CAP_SETTING: &str = "Compressed::cap";

/// Settings of compression, and limits of decompressed frames.
#[derive(Clone, Copy, Debug)]
struct CompressionOptions {
    threshold_bytes: usize,
    level: u32,
    /// Default: [`Limits::frame`].
    cap_bytes: Option<usize>,
    ratio: usize,
}

impl Default for CompressionOptions {
    fn default() -> Self {
        Self { threshold_bytes: 1 << 10, level: 6, cap_bytes: None, ratio: 1000 }
    }
}

impl<C: Codec> Compressed<C> {
    /// Compresses the frames of `codec`.
    pub fn new(codec: C) -> Self {
        Self { codec, options: CompressionOptions::default() }
    }

    /// Sets the minimum size of a frame that is compressed, in bytes. Default: 1 KiB.
    #[must_use]
    pub fn threshold(mut self, bytes: usize) -> Self {
        self.options.threshold_bytes = bytes;
        self
    }

    /// Sets the compression level: 0 does not compress, 1 is the fastest, 9 compresses the most.
    /// Default: 6, as in zlib.
    ///
    /// # Panics
    /// If `level` is above 9.
    #[must_use]
    pub fn level(mut self, level: u32) -> Self {
        assert!(level <= 9, "invalid zlib level {level}; use 0 to 9");
        self.options.level = level;
        self
    }

    /// Sets the largest size of a frame before compression and after decompression, in bytes. Must
    /// be the same on both sides. Default: [`Limits::frame`].
    ///
    /// [`Limits::frame`] always limits the bytes that are sent.
    ///
    /// # Panics
    /// If `bytes` is below [`Limits::MIN_FRAME_BYTES`] or above `u32::MAX`.
    #[must_use]
    pub fn cap(mut self, bytes: usize) -> Self {
        let range = Limits::MIN_FRAME_BYTES..=u32::MAX as usize;
        assert!(
            range.contains(&bytes),
            "invalid cap of {bytes} bytes; use {} to {}",
            range.start(),
            range.end()
        );
        self.options.cap_bytes = Some(bytes);
        self
    }

    /// Sets the largest ratio of decompressed to compressed size. A frame with a larger ratio is
    /// sent uncompressed. Must be the same on both sides. Default: 1,000.
    ///
    /// The default affects little more than long runs of one byte: zlib's maximum ratio is 1,032.
    ///
    /// # Panics
    /// If `times` is 0.
    #[must_use]
    pub fn ratio(mut self, times: usize) -> Self {
        assert!(times > 0, "invalid ratio 0; use at least 1");
        self.options.ratio = times;
        self
    }
}

impl<C: Codec> Codec for Compressed<C> {
    const ID: &'static str = PrefixedId::<C>::TEXT;
    type Framing = CompressedFrames<C::Framing>;

    fn encode<T: Serialize + ?Sized>(&self, value: &T, out: &mut BytesMut) -> Result<(), CodecError> {
        self.codec.encode(value, out)
    }

    fn encode_pieces<T: Serialize + ?Sized>(
        &self,
        value: &T,
        out: &mut Pieces<'_>,
    ) -> Result<(), CodecError> {
        self.codec.encode_pieces(value, out)
    }

    fn decode<'de, T: Deserialize<'de>>(&self, bytes: &'de [u8]) -> Result<T, CodecError> {
        self.codec.decode(bytes)
    }

    fn body_limit(&self, limits: Limits) -> BodyLimit {
        match self.options.cap_bytes {
            Some(cap) => BodyLimit::new(cap, CAP_SETTING).min(self.codec.body_limit(limits.frame(cap))),
            None => self.codec.body_limit(limits),
        }
    }

    fn framing(&self, limits: Limits) -> Self::Framing {
        let inner = self.codec.framing(limits.frame(self.options.cap_bytes.unwrap_or(limits.frame)));
        CompressedFrames::new(inner, self.options, limits)
    }
}

/// Id of `C` with a prefix, concatenated at compile time.
struct PrefixedId<C>(C);

const PREFIX: &str = "compressed+";
const MAX_ID_BYTES: usize = 128;

impl<C: Codec> PrefixedId<C> {
    const LEN: usize = PREFIX.len() + C::ID.len();

    const BYTES: [u8; MAX_ID_BYTES] = {
        assert!(Self::LEN <= MAX_ID_BYTES, "the id of a compressed codec must not exceed 117 bytes");
        let mut bytes = [0; MAX_ID_BYTES];
        let (prefix, id) = bytes.split_at_mut(PREFIX.len());
        prefix.copy_from_slice(PREFIX.as_bytes());
        id.split_at_mut(C::ID.len()).0.copy_from_slice(C::ID.as_bytes());
        bytes
    };

    const TEXT: &'static str = match std::str::from_utf8(Self::BYTES.split_at(Self::LEN).0) {
        Ok(text) => text,
        Err(_) => unreachable!(),
    };
}
