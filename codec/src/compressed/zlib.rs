//! Frames through zlib, with a state that is used again: to compress takes 300 KB, to decompress 40 KB.

use bytes::BytesMut;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use crate::FrameError;

/// Compresses one frame after the other.
#[derive(Debug)]
pub(super) struct Deflater {
    level: u32,
    /// Made for the first frame that is large enough.
    state: Option<Compress>,
}

impl Deflater {
    pub(super) fn new(level: u32) -> Self {
        Self { level, state: None }
    }

    /// The compressed `input`, where it gets smaller.
    pub(super) fn deflate(&mut self, input: &[u8]) -> Option<Vec<u8>> {
        let state = self.state.get_or_insert_with(|| Compress::new(Compression::new(self.level), true));
        state.reset();
        // Without room for all of it, compressing stops where it is of no use.
        let mut out = Vec::with_capacity(input.len());
        let status = state.compress_vec(input, &mut out, FlushCompress::Finish);
        (matches!(status, Ok(Status::StreamEnd)) && out.len() < input.len()).then_some(out)
    }
}

/// How much room is made at first for what comes out, and how much more at least.
const STEP: usize = 16 << 10;

/// Decompresses one frame after the other.
#[derive(Debug, Default)]
pub(super) struct Inflater {
    state: Option<Decompress>,
}

impl Inflater {
    /// What the one stream in `input` holds, and of more than `most` bytes the first `most + 1`. Room is made for twice
    /// as much as has come out.
    pub(super) fn inflate(&mut self, input: &[u8], most: usize) -> Result<BytesMut, FrameError> {
        let state = self.state.get_or_insert_with(|| Decompress::new(true));
        state.reset(true);
        let so_far = |state: &Decompress| (state.total_in() as usize, state.total_out() as usize);
        let mut out = BytesMut::new();
        loop {
            let (read, written) = so_far(state);
            out.resize((written + written.max(STEP)).min(most.saturating_add(1)), 0);
            let status = state
                .decompress(&input[read..], &mut out[written..], FlushDecompress::None)
                .map_err(FrameError::malformed)?;
            let now = so_far(state);
            match status {
                _ if now.1 > most => return Ok(out),
                Status::StreamEnd if now.0 == input.len() => {
                    out.truncate(now.1);
                    return Ok(out);
                }
                Status::StreamEnd => {
                    return Err(FrameError::malformed(
                        "there are bytes after the end of its compressed part",
                    ));
                }
                _ if now == (read, written) => {
                    return Err(FrameError::malformed("its compressed part has no end"));
                }
                _ => {}
            }
        }
    }
}
