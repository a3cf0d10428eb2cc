use crate::{Budget, Error, ErrorKind};

/// What a connection accepts from its peer and refuses to send, checked before memory is taken.
///
/// What is not set follows from [`frame`](Self::frame): a larger frame may hold larger values.
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
    /// The largest frame in bytes, header and body together. Default: 8 MiB.
    pub frame: usize,
    /// The most bytes of keys and values in the metadata of one frame, beside
    /// [`Metadata::MAX_KEYS`](crate::Metadata::MAX_KEYS). Default: 64 KiB.
    pub metadata: usize,
    /// How deep a decoded value may nest. Default: 64.
    pub depth: u32,
    decoded: Option<usize>,
    elements: Option<u32>,
}

impl Limits {
    /// The smallest frame, in bytes, that an error about a frame fits into.
    pub const LEAST_FRAME: usize = 1 << 10;

    /// The deepest nesting that can be allowed: one that the 2 MiB of a thread's stack hold with room to spare.
    pub const MOST_DEPTH: u32 = 512;

    pub(crate) const DEFAULT: Self =
        Self { frame: 8 << 20, metadata: 64 << 10, depth: 64, decoded: None, elements: None };

    /// Sets the largest frame, in bytes. It must fit what the other side allows, too.
    pub const fn frame(mut self, bytes: usize) -> Self {
        self.frame = bytes;
        self
    }

    /// Sets the most bytes of metadata in one frame. It must fit what the other side allows, too.
    pub const fn metadata(mut self, bytes: usize) -> Self {
        self.metadata = bytes;
        self
    }

    /// Sets how many bytes of memory one decoded value may take ([`Budget::decoded`]); `usize::MAX` is no limit.
    /// Default: eight times [`frame`](Self::frame).
    pub const fn decoded(mut self, bytes: usize) -> Self {
        self.decoded = Some(bytes);
        self
    }

    /// Sets how many elements all sequences and maps of one decoded value may have together ([`Budget::elements`]);
    /// `u32::MAX` is no limit. Default: two for each byte of [`frame`](Self::frame).
    pub const fn elements(mut self, elements: u32) -> Self {
        self.elements = Some(elements);
        self
    }

    /// Sets how deep a decoded value may nest ([`Budget::depth`]), up to [`MOST_DEPTH`](Self::MOST_DEPTH).
    pub const fn depth(mut self, levels: u32) -> Self {
        self.depth = levels;
        self
    }

    /// What one value may take that is decoded from a frame within these limits.
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

    /// Refuses limits that nothing could be sent within, or that protect nothing.
    ///
    /// # Errors
    /// `Config`, with the limit, its value and what it may be.
    pub fn check(&self) -> Result<(), Error> {
        let Budget { decoded, elements, depth } = self.budget();
        within("frame", "bytes", self.frame, Self::LEAST_FRAME, u32::MAX as usize)?;
        within("metadata", "bytes", self.metadata, 0, u32::MAX as usize)?;
        within("decoded", "bytes", decoded, Self::LEAST_FRAME, usize::MAX)?;
        within("elements", "elements", elements as usize, 1, u32::MAX as usize)?;
        within("depth", "levels", depth as usize, 1, Self::MOST_DEPTH as usize)
    }
}

fn within(limit: &str, unit: &str, value: usize, least: usize, most: usize) -> Result<(), Error> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    let text = format!("Limits::{limit} is {value} {unit}; it must be {least} to {most}");
    Err(Error::new(ErrorKind::Config, text))
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_set_follows_the_frame() {
        let budget = |limits: Limits| (limits.budget().decoded, limits.budget().elements);
        let limits = Limits::default();
        assert_eq!(budget(limits), (64 << 20, 16 << 20));
        assert_eq!(budget(limits.frame(1 << 10)), (8 << 10, 2 << 10));
        assert_eq!(budget(limits.decoded(5).frame(1 << 20).elements(6)), (5, 6));
        assert_eq!(budget(limits.frame(usize::MAX)), (usize::MAX, u32::MAX - 1));
    }

    #[test]
    fn limits_that_make_no_sense_are_refused_by_name() {
        let limits = Limits::default();
        limits.check().unwrap();
        limits.metadata(0).elements(1).depth(Limits::MOST_DEPTH).decoded(usize::MAX).check().unwrap();
        for (wrong, name) in [
            (limits.frame(1023), "frame is 1023 bytes"),
            (limits.metadata(1 << 40), "metadata"),
            (limits.decoded(0), "decoded is 0 bytes"),
            (limits.elements(0), "elements"),
            (limits.depth(0), "depth is 0 levels; it must be 1 to 512"),
            (limits.depth(513), "depth"),
        ] {
            let error = wrong.check().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.to_string().starts_with(&format!("Limits::{name}")), "{error}");
        }
    }
}
