/// What a connection accepts from its peer and refuses to send, checked before memory is taken.
///
/// ```
/// use isolated_workers_core::Limits;
///
/// let limits = Limits::default().frame(64 << 20);
/// assert_eq!(limits.frame, 64 << 20);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The largest frame in bytes, header and body together. Default: 8 MiB.
    pub frame: usize,
}

impl Limits {
    /// Sets the largest frame, in bytes. It must fit what the other side allows, too.
    pub const fn frame(mut self, bytes: usize) -> Self {
        self.frame = bytes;
        self
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { frame: 8 << 20 }
    }
}
