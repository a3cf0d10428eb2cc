//! The golden frames of docs/wire.md.

use std::collections::BTreeMap;

/// The frames that the page shows of JSON and of the binary framing, each by its name.
pub(crate) fn frames() -> [BTreeMap<String, Vec<u8>>; 2] {
    let json = blocks("json", "frame").into_iter().map(|(name, text)| (name, text.into_bytes()));
    [json.collect(), binary("frame")]
}

/// The frames of this kind that the page shows by their bytes.
pub(crate) fn binary(kind: &str) -> BTreeMap<String, Vec<u8>> {
    blocks("text", kind).into_iter().map(|(name, text)| (name, bytes_of(&text))).collect()
}

/// The blocks of the page whose first line is three backquotes, `language`, a space, `kind`, a colon and the name.
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
        assert!(named.insert(name.clone(), text).is_none(), "{name} is there twice");
    }
    named
}

/// Two hexadecimal digits a byte; what is behind a `#` is for people.
fn bytes_of(block: &str) -> Vec<u8> {
    let lines = block.lines().map(|line| line.split('#').next().unwrap());
    let digits: String = lines.flat_map(str::chars).filter(|c| !c.is_whitespace()).collect();
    assert!(digits.len().is_multiple_of(2), "{digits}");
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}
