use crate::Limits;

/// What one decoded value may take of the process that decodes it. [`Limits::budget`] makes it; a body that came from
/// a peer carries it.
///
/// The memory that a value takes has little to do with the size of its frame: a byte may stand for a kilobyte, or for
/// one more level of nesting. So it is counted while the value is decoded, whatever the codec.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Budget {
    /// Bytes of memory: the size of each element, key and value of a sequence or map and of each value in a box, and
    /// the length of each string. What is reserved beside it is not counted: a `Vec` that grows takes up to three times
    /// as much for a moment, small hash maps four times, and B-tree maps of a single entry, as those of a
    /// `serde_json::Value`, up to twelve times. `usize::MAX`: no limit.
    pub decoded: usize,
    /// Elements of all sequences and maps together, also those that take no memory. `u32::MAX`: no limit.
    pub elements: u32,
    /// Levels of nesting: sequences, maps, structs, tuples, enums, newtypes and options each count as one, because
    /// each takes a part of the stack.
    pub depth: u32,
}

impl Budget {
    /// For what this process has encoded itself: limited in depth alone.
    pub const LOCAL: Self = Self { decoded: usize::MAX, elements: u32::MAX, depth: Limits::MOST_DEPTH };

    pub(crate) const DEFAULT: Self = Limits::DEFAULT.budget();
}

/// That of [`Limits::default`].
impl Default for Budget {
    fn default() -> Self {
        Self::DEFAULT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_costs_a_body_two_words() {
        assert!(size_of::<Budget>() <= 16);
    }
}
