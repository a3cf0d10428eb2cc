//! Golden frames of docs/wire.md.

use std::collections::BTreeMap;

/// JSON and binary frames of the page, by name.
pub(crate) fn frames() -> [BTreeMap<String, Vec<u8>>; 2] {
    let json = blocks("json", "frame").into_iter().map(|(name, text)| (name, text.into_bytes()));
    [json.collect(), binary("frame")]
}

/// Frames of this kind that the page shows as bytes, by name.
pub(crate) fn binary(kind: &str) -> BTreeMap<String, Vec<u8>> {
    blocks("text", kind).into_iter().map(|(name, text)| (name, bytes_of(&text))).collect()
}

/// Blocks of the page that start with three backquotes and `language kind:name`, by name.
pub(crate) fn blocks(language: &str, kind: &str) -> BTreeMap<String, String> {
    const PAGE: &str = include_str!("../../../docs/wire.md");
    let opening = format!("\n```{language} {kind}:");
    let blocks = PAGE.split(&opening).skip(1).map(|block| {
        let (name, rest) = block.split_once('\n').unwrap();
        let (text, _) = rest.split_once("```").unwrap();
        (name.to_owned(), text.to_owned())
    });
    let mut named = BTreeMap::new();
    for (name, text) in blocks {
        assert!(named.insert(name.clone(), text).is_none(), "the page has {name} twice");
    }
    named
}

/// Parses two hexadecimal digits for each byte. A `#` starts a comment.
fn bytes_of(block: &str) -> Vec<u8> {
    let lines = block.lines().map(|line| line.split('#').next().unwrap());
    let digits: String = lines.flat_map(str::chars).filter(|c| !c.is_whitespace()).collect();
    assert!(digits.len().is_multiple_of(2), "{digits}");
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}
