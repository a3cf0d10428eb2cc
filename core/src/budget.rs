use crate::Limits;

/// Resources that one decoded value may take. [`Limits::budget`] creates it; a body from a peer
/// carries it.
///
/// The size of a frame says little about the memory of its value: one byte may stand for a
/// kilobyte, or for one more level of nesting. Therefore the value is metered while it is decoded,
/// whatever the codec.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Budget {
    /// Bytes of memory: the size of each element, key, value and boxed value, and the length of
    /// each string. `usize::MAX`: no limit.
    ///
    /// Spare capacity is not counted. A growing `Vec` takes up to three times as much for a moment,
    /// a small hash map four times, and a B-tree map of one entry, as in `serde_json::Value`, up to
    /// twelve times.
    pub decoded: usize,
    /// Number of elements of all sequences and maps, including elements without a size. `u32::MAX`:
    /// no limit.
    pub elements: u32,
    /// Levels of nesting. Sequences, maps, structs, tuples, enums, newtypes and options count as
    /// one level each, because each takes stack.
    pub depth: u32,
}

impl Budget {
    /// Budget for bytes that this process encoded: limited in depth only.
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
    fn a_budget_takes_at_most_two_words() {
        assert!(size_of::<Budget>() <= 16);
    }
}
