/// Limits on the resources of one decoded value. [`Limits::budget`](crate::Limits::budget) creates
/// a budget, and a body received from a peer carries it.
///
/// The size of a frame says little about the memory of its value: one byte may stand for a
/// kilobyte, or for another level of nesting. Therefore every codec meters the value while it
/// decodes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Budget {
    /// Maximum memory in bytes: the size of each element, key, value and boxed value, and the
    /// length of each string. `usize::MAX` means no limit.
    ///
    /// Spare capacity is not counted. While it grows, a `Vec` takes up to three times its counted
    /// size. A small hash map takes four times its counted size. A B-tree map with one entry, as in
    /// `serde_json::Value`, takes up to twelve times its counted size.
    ///
    /// serde's attributes `untagged`, `tag` and `flatten` decode into a buffer, which counts 32
    /// bytes for each value, and then build the type from it without counting. A `Vec` of elements
    /// of 320 bytes, each decoded from `null`, then takes ten times as much, and up to three times
    /// that while it grows.
    pub decoded: usize,
    /// Maximum number of elements in all sequences and maps, including zero-sized elements.
    /// `u32::MAX` means no limit.
    pub elements: u32,
    /// Maximum levels of nesting. Sequences, maps, structs, tuples, enums, newtypes and options
    /// count as one level each, because each takes stack space.
    pub depth: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_takes_at_most_two_words() {
        assert!(size_of::<Budget>() <= 16);
    }
}
