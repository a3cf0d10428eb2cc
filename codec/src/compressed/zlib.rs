//! Compression of frames with zlib. The state is reused: 300 KB to compress, 40 KB to decompress.

use bytes::BytesMut;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use crate::FrameError;

/// Numbers of bytes at which compression is given up if they have not got smaller. Noise is found
/// at the first one, noise behind a head that compresses at the second.
const CHECKPOINTS: [usize; 2] = [1 << 10, 16 << 10];

/// Part of the input that must be saved at a checkpoint.
const MIN_SAVED_PART: usize = 16;

/// Compresses frames, one at a time.
#[derive(Debug)]
pub(super) struct Deflater {
    level: u32,
    /// Created for the first frame that is large enough.
    state: Option<Compress>,
}

impl Deflater {
    pub(super) fn new(level: u32) -> Self {
        Self { level, state: None }
    }

    /// Compresses `input`. Returns `None` if it, or its beginning, does not get smaller.
    pub(super) fn deflate(&mut self, input: &[u8]) -> Option<Vec<u8>> {
        let state = self.state.get_or_insert_with(|| Compress::new(Compression::new(self.level), true));
        state.reset();
        // The output has no room to grow, so compression stops if it does not make the input
        // smaller.
        let mut out = Vec::with_capacity(input.len());
        let mut start = 0;
        for end in CHECKPOINTS.into_iter().filter(|end| 2 * end <= input.len()) {
            state.compress_vec(&input[start..end], &mut out, FlushCompress::Sync).ok()?;
            if out.len() > end - end / MIN_SAVED_PART {
                return None;
            }
            start = end;
        }
        let status = state.compress_vec(&input[start..], &mut out, FlushCompress::Finish);
        (matches!(status, Ok(Status::StreamEnd)) && out.len() < input.len()).then_some(out)
    }
}

/// Size of the first output buffer, and the minimum by which the buffer grows.
const GROWTH_BYTES: usize = 16 << 10;

/// Decompresses frames, one at a time.
#[derive(Debug, Default)]
pub(super) struct Inflater {
    state: Option<Decompress>,
}

impl Inflater {
    /// Decompresses the single zlib stream in `input`.
    ///
    /// If it has more than `max_bytes` bytes, returns the first `max_bytes + 1` of them. The output
    /// buffer grows to at most twice the bytes that have been decompressed.
    pub(super) fn inflate(&mut self, input: &[u8], max_bytes: usize) -> Result<BytesMut, FrameError> {
        let state = self.state.get_or_insert_with(|| Decompress::new(true));
        state.reset(true);
        let totals = |state: &Decompress| (state.total_in() as usize, state.total_out() as usize);
        let mut out = BytesMut::new();
        loop {
            let (read, written) = totals(state);
            out.resize((written + written.max(GROWTH_BYTES)).min(max_bytes.saturating_add(1)), 0);
            let status = state
                .decompress(&input[read..], &mut out[written..], FlushDecompress::None)
                .map_err(FrameError::malformed)?;
            let now = totals(state);
            match status {
                _ if now.1 > max_bytes => return Ok(out),
                Status::StreamEnd if now.0 == input.len() => {
                    out.truncate(now.1);
                    return Ok(out);
                }
                Status::StreamEnd => {
                    return Err(FrameError::malformed("it has bytes after its zlib stream"));
                }
                _ if now == (read, written) => {
                    return Err(FrameError::malformed("its zlib stream is incomplete"));
                }
                _ => {}
            }
        }
    }
}
