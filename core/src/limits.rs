use crate::{Budget, Error, ErrorKind};

/// Limits of a connection. They apply to received and sent frames, and are checked before memory is
/// allocated.
///
/// The limits of [`decoded`](Self::decoded) memory and of [`elements`](Self::elements) default to
/// multiples of [`frame`](Self::frame), because a larger frame may hold larger values.
///
/// ```
/// use isolated_workers_core::Limits;
///
/// let limits = Limits::default().frame(64 << 20).depth(100);
/// assert_eq!(limits.frame, 64 << 20);
/// assert_eq!(limits.budget().decoded, 512 << 20);
/// assert_eq!(limits.decoded(1 << 30).budget().decoded, 1 << 30);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Maximum size of a frame in bytes, including header and body. Default: 8 MiB.
    pub frame: usize,
    /// Maximum size in bytes of the keys and values in the metadata of one frame. Default: 64 KiB.
    /// [`Metadata::MAX_KEYS`](crate::Metadata::MAX_KEYS) applies as well.
    pub metadata: usize,
    /// Maximum nesting depth of a decoded value, in levels. Default: 64.
    pub depth: u32,
    decoded: Option<usize>,
    elements: Option<u32>,
}

impl Limits {
    /// Minimum of [`frame`](Self::frame) in bytes. An error about a frame must fit.
    pub const MIN_FRAME_BYTES: usize = 1 << 10;

    /// Maximum of [`depth`](Self::depth) in levels, with every codec. Decoding a value of this
    /// depth takes 0.3 to 1.6 MiB of stack in a debug build, depending on codec and type, and a
    /// thread has 2 MiB.
    pub const MAX_DEPTH: u32 = 256;

    pub(crate) const DEFAULT: Self =
        Self { frame: 8 << 20, metadata: 64 << 10, depth: 64, decoded: None, elements: None };

    /// Sets the maximum size of a frame in bytes. The limit of the peer applies as well.
    pub const fn frame(mut self, bytes: usize) -> Self {
        self.frame = bytes;
        self
    }

    /// Sets the maximum size in bytes of the metadata of one frame. The limit of the peer applies
    /// as well.
    pub const fn metadata(mut self, bytes: usize) -> Self {
        self.metadata = bytes;
        self
    }

    /// Sets the maximum memory in bytes of one decoded value ([`Budget::decoded`]). `usize::MAX`
    /// means no limit. Default: eight times [`frame`](Self::frame).
    pub const fn decoded(mut self, bytes: usize) -> Self {
        self.decoded = Some(bytes);
        self
    }

    /// Sets the maximum number of elements of one decoded value ([`Budget::elements`]). `u32::MAX`
    /// means no limit. Default: two per byte of [`frame`](Self::frame).
    pub const fn elements(mut self, elements: u32) -> Self {
        self.elements = Some(elements);
        self
    }

    /// Sets the maximum nesting depth of a decoded value in levels ([`Budget::depth`]), up to
    /// [`MAX_DEPTH`](Self::MAX_DEPTH).
    pub const fn depth(mut self, levels: u32) -> Self {
        self.depth = levels;
        self
    }

    /// Budget of one value decoded from a frame within these limits.
    pub const fn budget(&self) -> Budget {
        let decoded = match self.decoded {
            Some(decoded) => decoded,
            None => self.frame.saturating_mul(8),
        };
        let elements = match self.elements {
            Some(elements) => elements,
            None if self.frame < (u32::MAX / 2) as usize => 2 * self.frame as u32,
            None => u32::MAX - 1,
        };
        Budget { decoded, elements, depth: self.depth }
    }

    /// Checks that each limit is in its valid range.
    ///
    /// # Errors
    /// `Config` if a limit is out of range. The text has the limit, its value and its valid range.
    pub fn check(&self) -> Result<(), Error> {
        let Budget { decoded, elements, depth } = self.budget();
        within("frame", "bytes", self.frame, Self::MIN_FRAME_BYTES, u32::MAX as usize)?;
        within("metadata", "bytes", self.metadata, 0, u32::MAX as usize)?;
        within("decoded", "bytes", decoded, Self::MIN_FRAME_BYTES, usize::MAX)?;
        within("elements", "elements", elements as usize, 1, u32::MAX as usize)?;
        within("depth", "levels", depth as usize, 1, Self::MAX_DEPTH as usize)
    }
}

fn within(limit: &str, unit: &str, value: usize, min: usize, max: usize) -> Result<(), Error> {
    if (min..=max).contains(&value) {
        return Ok(());
    }
    let text = format!("invalid `Limits::{limit}` of {value} {unit}: it must be between {min} and {max}");
    Err(Error::new(ErrorKind::Config, text))
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl Budget {
    /// Budget for bytes that this process encoded. Only the depth is limited.
    pub const LOCAL: Self = Self { decoded: usize::MAX, elements: u32::MAX, depth: Limits::MAX_DEPTH };

    pub(crate) const DEFAULT: Self = Limits::DEFAULT.budget();
}

/// Budget of [`Limits::default`].
impl Default for Budget {
    fn default() -> Self {
        Self::DEFAULT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unset_limits_follow_from_the_frame_limit() {
        let budget = |limits: Limits| (limits.budget().decoded, limits.budget().elements);
        let limits = Limits::default();
        assert_eq!(budget(limits), (64 << 20, 16 << 20));
        assert_eq!(budget(limits.frame(1 << 10)), (8 << 10, 2 << 10));
        assert_eq!(budget(limits.decoded(5).frame(1 << 20).elements(6)), (5, 6));
        assert_eq!(budget(limits.frame(usize::MAX)), (usize::MAX, u32::MAX - 1));
    }

    #[test]
    fn an_invalid_limit_is_refused_by_name() {
        let limits = Limits::default();
        limits.check().unwrap();
        limits.metadata(0).elements(1).depth(Limits::MAX_DEPTH).decoded(usize::MAX).check().unwrap();
        for (wrong, name) in [
            (limits.frame(1023), "frame` of 1023 bytes"),
            (limits.metadata(1 << 40), "metadata"),
            (limits.decoded(0), "decoded` of 0 bytes"),
            (limits.elements(0), "elements"),
            (limits.depth(0), "depth` of 0 levels: it must be between 1 and 256"),
            (limits.depth(513), "depth"),
        ] {
            let error = wrong.check().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.to_string().starts_with(&format!("invalid `Limits::{name}")), "{error}");
        }
    }
}
