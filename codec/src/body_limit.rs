use isolated_workers_core::Limits;

/// Maximum size of an encoded value, at which encoding stops.
///
/// A frame has a header besides its body, so a body within its limit may still be refused when its
/// frame is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyLimit {
    bytes: usize,
    /// Setting to raise: `Limits::frame`.
    setting: &'static str,
}

impl BodyLimit {
    /// No limit: for values that stay in this process.
    pub const NONE: Self = Self::new(usize::MAX, "");

    /// Creates a limit in bytes, which `setting` sets.
    pub const fn new(bytes: usize, setting: &'static str) -> Self {
        Self { bytes, setting }
    }

    /// Creates the limit that [`Limits::frame`] sets.
    pub const fn of_frame(limits: Limits) -> Self {
        Self::new(limits.frame, "Limits::frame")
    }

    /// Maximum size in bytes. `usize::MAX` means no limit.
    pub const fn bytes(self) -> usize {
        self.bytes
    }

    /// Setting to raise.
    pub const fn setting(self) -> &'static str {
        self.setting
    }

    /// Returns the lower one of two limits.
    #[must_use]
    pub const fn min(self, other: Self) -> Self {
        if other.bytes < self.bytes { other } else { self }
    }
}
