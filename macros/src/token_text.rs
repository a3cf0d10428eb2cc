//! Canonical text of tokens, independent of formatting, comments and the compiler's version.
//!
//! `TokenStream::to_string` is not stable: its spaces change between compilers.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use quote::ToTokens;
use syn::visit_mut::{self, VisitMut};
use syn::{AngleBracketedGenericArguments, Type, TypeTuple};

/// Returns the text of a type, independent of its formatting: `HashMap<String, [u8; 4]>`.
pub(crate) fn of_type(ty: &Type) -> String {
    let mut ty = ty.clone();
    TrailingCommas.visit_type_mut(&mut ty);
    of_tokens(ty)
}

/// Returns the text of tokens without needless spaces: `::isolated_workers::Error`.
pub(crate) fn of_tokens(tokens: impl ToTokens) -> String {
    let mut text = String::new();
    write(tokens.to_token_stream(), &mut text);
    text
}

/// Removes the commas that a formatter adds when it breaks a long type into lines.
struct TrailingCommas;

impl VisitMut for TrailingCommas {
    fn visit_angle_bracketed_generic_arguments_mut(&mut self, node: &mut AngleBracketedGenericArguments) {
        node.args.pop_punct();
        visit_mut::visit_angle_bracketed_generic_arguments_mut(self, node);
    }

    fn visit_type_tuple_mut(&mut self, node: &mut TypeTuple) {
        // The comma of `(T,)` makes it a tuple.
        if node.elems.len() > 1 {
            node.elems.pop_punct();
        }
        visit_mut::visit_type_tuple_mut(self, node);
    }
}

fn write(tokens: TokenStream, text: &mut String) {
    for token in tokens {
        if text.ends_with([',', ';']) {
            text.push(' ');
        }
        match token {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::None => ("", ""),
                };
                if open == "[" && ends_with_word(text) {
                    text.push(' ');
                }
                text.push_str(open);
                write(group.stream(), text);
                text.push_str(close);
            }
            TokenTree::Punct(punct) => text.push(punct.as_char()),
            TokenTree::Ident(ident) => write_word(&ident.to_string(), text),
            TokenTree::Literal(literal) => write_word(&literal.to_string(), text),
        }
    }
}

fn write_word(word: &str, text: &mut String) {
    if ends_with_word(text) {
        text.push(' ');
    }
    text.push_str(word);
}

fn ends_with_word(text: &str) -> bool {
    text.ends_with(|last: char| last.is_alphanumeric() || last == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_does_not_depend_on_formatting() {
        let cases = [
            ("HashMap < String,\n [u8 ; 4], >", "HashMap<String, [u8; 4]>"),
            ("( A , B , )", "(A, B)"),
            ("(A,)", "(A,)"),
            ("Box<dyn  Error+Send>", "Box<dyn Error+Send>"),
            ("Cow<'static, str>", "Cow<'static, str>"),
            ("& mut str", "&mut str"),
            ("&'a[u8]", "&'a [u8]"),
            ("()", "()"),
        ];
        for (written, expected) in cases {
            assert_eq!(of_type(&syn::parse_str(written).expect("a type")), expected);
        }
    }
}
