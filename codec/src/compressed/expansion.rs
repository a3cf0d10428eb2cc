use isolated_workers_core::Limits;

use super::CAP_SETTING;
use crate::FrameError;

/// Limits of the size of a frame before compression.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expansion {
    cap_bytes: usize,
    /// Name of the setting that determines the cap.
    setting: &'static str,
    ratio: usize,
}

impl Expansion {
    pub(super) fn new(cap_bytes: Option<usize>, ratio: usize, limits: Limits) -> Self {
        match cap_bytes {
            Some(cap_bytes) => Self { cap_bytes, setting: CAP_SETTING, ratio },
            None => Self { cap_bytes: limits.frame, setting: "Limits::frame", ratio },
        }
    }

    /// Returns the largest decompressed size, in bytes, of a frame with this compressed size.
    pub(super) fn max_bytes(self, compressed_bytes: usize) -> usize {
        self.cap_bytes.min(compressed_bytes.saturating_mul(self.ratio))
    }

    pub(super) fn check_cap(self, bytes: usize) -> Result<(), FrameError> {
        check_plain(bytes, self.cap_bytes, self.setting)
    }

    /// Refuses a frame of `bytes` with this compressed size.
    pub(super) fn check(self, bytes: usize, compressed_bytes: usize) -> Result<(), FrameError> {
        self.check_cap(bytes)?;
        check_plain(bytes, self.max_bytes(compressed_bytes), "Compressed::ratio")
    }

    /// Names the setting of the cap in an error of the inner framing, whose `Limits::frame` is the
    /// cap.
    pub(super) fn with_setting(self, error: FrameError) -> FrameError {
        match error {
            FrameError::TooLarge { what, bytes, limit, setting: "Limits::frame" } => {
                FrameError::TooLarge { what, bytes, limit, setting: self.setting }
            }
            other => other,
        }
    }
}

fn check_plain(bytes: usize, limit: usize, setting: &'static str) -> Result<(), FrameError> {
    FrameError::check_part("the frame before compression", bytes, limit, setting)
}
