//! Fingerprint of a service. Host and worker compare fingerprints to detect mismatched definitions.
//!
//! It covers the names and types of methods, arguments and replies, because these decide how bytes
//! are read. The order of methods, documentation, timeouts and retries can differ. Types are
//! compared by their text, so the fingerprint does not change if a struct gains a field.

use syn::ext::IdentExt;

use crate::method::{Method, Output};
use crate::token_text;

pub(crate) fn of(methods: &[Method]) -> u64 {
    let mut signatures: Vec<String> = methods.iter().map(signature).collect();
    signatures.sort_unstable();
    fnv1a(signatures.join("\n").as_bytes())
}

/// Returns the name and a fingerprint of each message, in the order of the names.
pub(crate) fn of_each(methods: &[Method]) -> Vec<(String, u32)> {
    let folded = |hash: u64| (hash >> 32) as u32 ^ hash as u32;
    let mut messages: Vec<(String, u32)> = methods
        .iter()
        .map(|method| (method.wire_name(), folded(fnv1a(signature(method).as_bytes()))))
        .collect();
    messages.sort_unstable();
    messages
}

/// Returns the canonical signature: `divide(a: i64, b: i64) -> Result<i64, DivideError>`.
fn signature(method: &Method) -> String {
    let argument = |argument: &crate::method::Argument| {
        format!("{}: {}", argument.written.unraw(), token_text::of_type(&argument.ty))
    };
    let mut arguments: Vec<String> = method.arguments.iter().map(argument).collect();
    method.insert_items(&mut arguments, |items| {
        format!("{}: Streaming<{}>", items.written.unraw(), token_text::of_type(&items.item))
    });
    let oneway = if method.options.oneway.is_some() { "oneway " } else { "" };
    format!("{oneway}{}({}) -> {}", method.wire_name(), arguments.join(", "), output(&method.output))
}

/// Returns the canonical return type. The path of a stream does not count.
fn output(Output { ty, error, item, .. }: &Output) -> String {
    match (item, error) {
        (None, _) => token_text::of_type(ty),
        (Some(item), None) => format!("Stream<{}>", token_text::of_type(item)),
        (Some(item), Some(error)) => {
            format!("Stream<Result<{}, {}>>", token_text::of_type(item), token_text::of_type(error))
        }
    }
}

/// FNV-1a with 64 bits: <http://www.isthe.com/chongo/tech/comp/fnv/>. Short and portable.
fn fnv1a(bytes: &[u8]) -> u64 {
    const OFFSET_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    bytes.iter().fold(OFFSET_BASIS, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(PRIME))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::errors::Errors;
    use crate::signature;

    fn methods(body: &str) -> Vec<Method> {
        let item: syn::ItemTrait =
            syn::parse_str(&format!("trait Calculator {{ {body} }}")).expect("a trait");
        let parse = |item| match item {
            syn::TraitItem::Fn(item) => signature::method(item, &mut Errors::default()),
            _ => panic!("not a method"),
        };
        item.items.into_iter().map(parse).collect()
    }

    #[test]
    fn the_hash_matches_fnv1a_test_vectors() {
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn signatures_are_normalized() {
        let methods = methods(
            "async fn r#type(&self, r#in: Vec < u8 >,) -> Result<(), E,>;
             #[message(oneway, name = \"write\")] async fn log(&self, line: String);",
        );
        let signatures: Vec<String> = methods.iter().map(signature).collect();
        assert_eq!(signatures, ["type(in: Vec<u8>) -> Result<(), E>", "oneway write(line: String) -> ()"]);
    }

    #[test]
    fn order_docs_timeouts_and_retries_do_not_change_the_fingerprint() {
        let plain = of(&methods("async fn add(&self, a: i64) -> i64; async fn reset(&self);"));
        for same in [
            "async fn reset(&self); async fn add(&self, a: i64) -> i64;",
            "/// Adds.\n#[message(timeout = \"1s\", retry = 3)] async fn add(&self, a: i64) -> i64; async fn reset(&self);",
            "async fn add(& self, a : i64,) -> i64; async fn reset(&self) -> ();",
        ] {
            assert_eq!(of(&methods(same)), plain, "{same}");
        }
    }

    #[test]
    fn names_types_and_oneway_change_the_fingerprint() {
        let plain = of(&methods("async fn add(&self, a: i64) -> ();"));
        for other in [
            "",
            "async fn sum(&self, a: i64);",
            "async fn add(&self, b: i64);",
            "async fn add(&self, a: u64);",
            "async fn add(&self, a: i64) -> i64;",
            "#[message(oneway)] async fn add(&self, a: i64);",
            "#[message(name = \"plus\")] async fn add(&self, a: i64);",
        ] {
            assert_ne!(of(&methods(other)), plain, "{other}");
        }
    }
}
