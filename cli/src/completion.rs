/// First words of a line, each with the words that may follow.
pub(crate) type Words = Vec<(String, Vec<String>)>;

/// What the last word before the cursor may become.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Completion {
    /// Text to insert, which all candidates share.
    pub(crate) insertion: String,
    /// Candidates, if there are several.
    pub(crate) candidates: Vec<String>,
}

/// Completes the last word of `before`.
pub(crate) fn complete(words: &Words, before: &str) -> Completion {
    let start = before.rfind(' ').map_or(0, |at| at + 1);
    let (earlier, prefix) = before.split_at(start);
    let mut candidates: Vec<&str> = match earlier.split_whitespace().next() {
        None => words.iter().map(|(first, _)| first.as_str()).collect(),
        Some(first) => {
            let following =
                words.iter().filter(|(word, _)| word == first).flat_map(|(_, following)| following);
            following.map(String::as_str).collect()
        }
    };
    candidates.retain(|candidate| candidate.starts_with(prefix));
    candidates.sort_unstable();
    candidates.dedup();
    let insertion = match candidates[..] {
        [] => String::new(),
        // A value follows a `=` directly.
        [only] if only.ends_with('=') => only[prefix.len()..].to_owned(),
        [only] => format!("{} ", &only[prefix.len()..]),
        [first, .., last] => {
            let is_equal = |(one, other): &(char, char)| one == other;
            let shared = first.chars().zip(last.chars()).take_while(is_equal).map(|(c, _)| c);
            shared.skip(prefix.chars().count()).collect()
        }
    };
    let candidates = if candidates.len() > 1 { candidates } else { Vec::new() };
    Completion { insertion, candidates: candidates.into_iter().map(str::to_owned).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_and_their_arguments_are_completed() {
        let strings = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let words = vec![
            ("add".to_owned(), strings(&["a=", "b="])),
            ("count_words".to_owned(), strings(&["file="])),
            ("count".to_owned(), Vec::new()),
            ("help".to_owned(), Vec::new()),
            ("help".to_owned(), Vec::new()),
        ];
        for (before, insertion, candidates) in [
            ("a", "dd ", &[][..]),
            ("add ", "", &["a=", "b="]),
            ("add a", "=", &[]),
            ("add a=5 b", "=", &[]),
            ("add x", "", &[]),
            ("c", "ount", &["count", "count_words"]),
            ("he", "lp ", &[]),
            ("count_words ", "file=", &[]),
            ("unknown ", "", &[]),
        ] {
            let expected = Completion { insertion: insertion.to_owned(), candidates: strings(candidates) };
            assert_eq!(complete(&words, before), expected, "{before:?}");
        }
    }
}
