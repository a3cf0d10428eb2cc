mod frames;
mod zlib;

use bytes::BytesMut;
use isolated_workers_core::Limits;
use serde::{Deserialize, Serialize};

pub use self::frames::CompressedFrames;
use crate::{Codec, CodecError, Pieces};

/// Another codec, whose frames are compressed with zlib where they are large and get smaller by it.
///
/// It pays where a stream is slower than memory, or where what travels is kept. Between two processes of one machine it
/// costs more than it saves, as a rule.
///
/// Both sides must use it; they may differ in [`threshold`](Self::threshold) and [`level`](Self::level).
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
    settings: Settings,
}

/// What is compressed, and what is taken from the other side.
#[derive(Clone, Copy, Debug)]
struct Settings {
    threshold: usize,
    level: u32,
    cap: Option<usize>,
    ratio: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { threshold: 1 << 10, level: 6, cap: None, ratio: 1000 }
    }
}

impl<C: Codec> Compressed<C> {
    /// Compresses the frames of `codec`.
    pub fn new(codec: C) -> Self {
        Self { codec, settings: Settings::default() }
    }

    /// Sends frames below this size as they are. In bytes; default: 1 KiB.
    #[must_use]
    pub fn threshold(mut self, bytes: usize) -> Self {
        self.settings.threshold = bytes;
        self
    }

    /// Sets how hard to try: 0 is not at all, 1 the fastest, 9 the smallest. Default: 6, as with zlib.
    ///
    /// # Panics
    /// Where there is no such level.
    #[must_use]
    pub fn level(mut self, level: u32) -> Self {
        assert!(level <= 9, "zlib has the levels 0 to 9, not {level}");
        self.settings.level = level;
        self
    }

    /// Sets how large a frame may be before it is compressed, and so after it is decompressed. In bytes; default:
    /// [`Limits::frame`], which goes for what is sent in any case. Must be the same on both sides.
    #[must_use]
    pub fn cap(mut self, bytes: usize) -> Self {
        self.settings.cap = Some(bytes);
        self
    }

    /// Sets how many times as large a frame may get by decompression. A frame that got smaller by more than that is sent
    /// as it is. Default: 1,000, which hardly limits anything but long runs of one byte: zlib reaches 1,032 at the most.
    /// Must be the same on both sides.
    ///
    /// # Panics
    /// Where it is 0, which nothing is within.
    #[must_use]
    pub fn ratio(mut self, times: usize) -> Self {
        assert!(times > 0, "nothing gets 0 times as large");
        self.settings.ratio = times;
        self
    }
}

impl<C: Codec> Codec for Compressed<C> {
    const ID: &'static str = Name::<C>::TEXT;
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

    fn framing(&self, limits: Limits) -> Self::Framing {
        let inner = self.codec.framing(limits.frame(self.settings.cap.unwrap_or(limits.frame)));
        CompressedFrames::new(inner, self.settings, limits)
    }
}

/// The name of `C` behind a prefix.
struct Name<C>(C);

const PREFIX: &str = "compressed+";
const LONGEST: usize = 128;

impl<C: Codec> Name<C> {
    const LEN: usize = PREFIX.len() + C::ID.len();

    const BYTES: [u8; LONGEST] = {
        assert!(Self::LEN <= LONGEST, "the name of a compressed codec may have 117 bytes");
        let mut bytes = [0; LONGEST];
        let (prefix, name) = bytes.split_at_mut(PREFIX.len());
        prefix.copy_from_slice(PREFIX.as_bytes());
        name.split_at_mut(C::ID.len()).0.copy_from_slice(C::ID.as_bytes());
        bytes
    };

    const TEXT: &'static str = match std::str::from_utf8(Self::BYTES.split_at(Self::LEN).0) {
        Ok(text) => text,
        Err(_) => unreachable!(),
    };
}
