//! Decoding of values that nest deeper than `serde_json` allows.
//!
//! Its limit of 127 levels can only be switched off. That is safe if the text itself nests no
//! deeper than any budget, whatever is decoded from it. The text is scanned only if the budget
//! allows 127 levels, so that a lower budget refuses the value first.

use isolated_workers_core::Limits;
use serde_json::Error;

use crate::{CodecError, budget};

/// Levels that `serde_json` decodes. A budget counts at least as many levels as the text has.
const DEFAULT_LEVELS: u32 = 127;

/// Returns `true` if `serde_json` would refuse a level of the text before the budget of the value
/// does.
#[inline]
pub(super) fn needs_higher_limit(json: &[u8]) -> bool {
    // Each level takes two brackets.
    json.len() > 2 * DEFAULT_LEVELS as usize && is_deep(json)
}

fn is_deep(json: &[u8]) -> bool {
    budget::requested_depth().is_some_and(|depth| depth >= DEFAULT_LEVELS)
        // One more level than the highest limit, so that the budget refuses it.
        && (DEFAULT_LEVELS + 1..=Limits::MAX_DEPTH + 1).contains(&levels(json))
}

/// Converts the error of decoding a value from `json`.
#[cold]
pub(super) fn explained(error: Error, json: &[u8]) -> CodecError {
    if error.to_string().starts_with("recursion limit exceeded") && levels(json) > Limits::MAX_DEPTH {
        return budget::deeper_than_any_budget();
    }
    CodecError::of_type(error)
}

/// Returns the deepest nesting of the arrays and objects of a text.
fn levels(json: &[u8]) -> u32 {
    let (mut level, mut deepest, mut bytes) = (0_u32, 0, json.iter());
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => skip_string(&mut bytes),
            b'[' | b'{' => {
                level += 1;
                deepest = deepest.max(level);
            }
            b']' | b'}' => level = level.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// Skips the rest of a string after its first quote.
fn skip_string(bytes: &mut std::slice::Iter<'_, u8>) {
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => return,
            b'\\' => drop(bytes.next()),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_within_strings_are_not_levels() {
        for (json, expected) in [
            ("1", 0),
            ("[]", 1),
            ("[[],{\"a\":[]}]", 3),
            (r#"["[[[\"[[", "\\"]"#, 1),
            (r#"{"[":["["]}"#, 2),
            ("]]]", 0),
            ("[\"", 1),
        ] {
            assert_eq!(levels(json.as_bytes()), expected, "{json}");
        }
    }
}
