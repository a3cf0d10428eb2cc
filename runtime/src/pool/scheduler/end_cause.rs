/// Cause of a worker's unexpected end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EndCause {
    /// The worker exited with code 0.
    Normal,
    Crashed,
    /// The worker was killed because it answered no ping.
    Unresponsive,
    /// The worker was killed because a call timed out, or because it was hung. This does not count
    /// as a crash.
    Overran,
}

impl EndCause {
    /// Returns `true` if the end counts as a crash.
    pub(super) fn is_crash(self) -> bool {
        matches!(self, Self::Crashed | Self::Unresponsive)
    }

    /// Returns `true` if the host killed the worker because it did not answer.
    pub(super) fn is_kill(self) -> bool {
        matches!(self, Self::Unresponsive | Self::Overran)
    }
}
