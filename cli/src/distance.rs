//! Similarity of names.

/// Returns the name that is most similar to `wanted`, if one is similar enough to be meant.
pub(crate) fn nearest<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let limit = wanted.chars().count().div_ceil(3);
    let distances = names.map(|name| (edits(wanted, name), name));
    distances.filter(|(distance, _)| *distance <= limit).min().map(|(_, name)| name)
}

/// Number of characters to insert, remove or replace.
fn edits(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (index, one) in one.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], index + 1);
        for (at, other) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(one != *other);
            diagonal = row[at + 1];
            row[at + 1] = replaced.min(diagonal + 1).min(row[at] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typing_error_is_recognized() {
        let names = || ["add", "divide", "count_words"].into_iter();
        assert_eq!(nearest("ad", names()), Some("add"));
        assert_eq!(nearest("devide", names()), Some("divide"));
        assert_eq!(nearest("countWords", names()), Some("count_words"));
        assert_eq!(nearest("multiply", names()), None);
        assert_eq!(edits("", "abc"), 3);
        assert_eq!(edits("kitten", "sitting"), 3);
    }
}
