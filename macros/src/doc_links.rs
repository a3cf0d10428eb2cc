//! Links in documentation that is copied to an item in another scope.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Expr, Lit, Meta, parse_quote};

use crate::attribute_parts::AttributePart;

/// Beginnings of paths, and the same paths in the scope of a copy.
pub(crate) type Prefixes<'a> = [(&'a str, String)];

/// Returns documentation text whose links resolve as before. Text from a macro, such as
/// `include_str!`, is returned unchanged.
pub(crate) fn relocate(mut text: AttributePart, prefixes: &Prefixes<'_>) -> TokenStream {
    let Meta::NameValue(value) = &mut text.meta else { return text.to_token_stream() };
    let Expr::Lit(literal) = &value.value else { return text.to_token_stream() };
    let Lit::Str(string) = &literal.lit else { return text.to_token_stream() };
    let (links, definitions) =
        (relocate_links(&string.value(), prefixes), definitions(&string.value(), prefixes));
    value.value = parse_quote!(#links);
    let definitions = definitions.map(|definitions| {
        let mut part = AttributePart { conditions: text.conditions.clone(), meta: text.meta.clone() };
        part.meta = parse_quote!(doc = #definitions);
        part
    });
    quote!(#text #definitions)
}

/// Replaces the paths of `[text](path)` and `[text]: path`.
fn relocate_links(text: &str, prefixes: &Prefixes<'_>) -> String {
    let mut relocated = String::new();
    let mut rest = text;
    while let Some(index) = rest.find("](").into_iter().chain(rest.find("]: ")).min() {
        let (before, link) = rest.split_at(index + if rest[index..].starts_with("](") { 2 } else { 3 });
        relocated.push_str(before);
        rest = link;
        if let Some((prefix, new)) = prefixes.iter().find(|(prefix, _)| link.starts_with(prefix)) {
            relocated.push_str(new);
            rest = &link[prefix.len()..];
        }
    }
    relocated + rest
}

/// Returns a definition for each link that is only a path: ``[`super::Point`]``.
fn definitions(text: &str, prefixes: &Prefixes<'_>) -> Option<String> {
    let mut definitions = String::new();
    for bracket in text.split('[').skip(1) {
        let Some((link, after)) = bracket.split_once(']') else { continue };
        let path = link.trim_matches('`');
        let found = prefixes.iter().find(|(prefix, _)| path.starts_with(prefix));
        if let Some((prefix, new)) = found
            && !after.starts_with(['(', ':'])
        {
            definitions.push_str(&format!("\n[{link}]: {new}{}", &path[prefix.len()..]));
        }
    }
    (!definitions.is_empty()).then(|| format!("\n{definitions}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefixes() -> [(&'static str, String); 2] {
        [("self::", "super::".to_owned()), ("super::", "super::super::".to_owned())]
    }

    #[test]
    fn paths_of_links_are_relocated() {
        let cases = [
            ("plain super::A", "plain super::A"),
            ("[a](super::A) and [b](self::B), [c](C)", "[a](super::super::A) and [b](super::B), [c](C)"),
            ("[a]: super::A", "[a]: super::super::A"),
        ];
        for (written, expected) in cases {
            assert_eq!(relocate_links(written, &prefixes()), expected);
        }
    }

    #[test]
    fn a_link_that_is_a_path_gets_a_definition() {
        assert_eq!(definitions("[a](super::A), [`A`] and [b]", &prefixes()), None);
        assert_eq!(
            definitions("[`super::A`] and [self::b()]", &prefixes()).as_deref(),
            Some("\n\n[`super::A`]: super::super::A\n[self::b()]: super::b()")
        );
    }
}
