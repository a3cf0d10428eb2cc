//! Moves types from the trait's scope to the generated module below it, with the same meaning.
//!
//! The module imports everything from the trait's scope (`use super::*`), so most types need no
//! change. There are two exceptions. Paths that begin with `self` or `super` are lengthened. Types
//! that use a name defined by the module get an alias in an inner module without messages. An
//! example is `fn add(&self, add: Add)`, whose message is named `Add` too.

use std::iter;

use proc_macro2::{Group, Ident, Literal, TokenStream, TokenTree};
use quote::{ToTokens, TokenStreamExt, quote};
use syn::{LitStr, Path, Type, Visibility, parse_quote};

use crate::token_text;

/// Scope of the generated module.
pub(crate) struct Scope {
    /// Names that the module defines.
    defined: Vec<Ident>,
    aliases: Vec<(Ident, TokenStream)>,
}

impl Scope {
    pub(crate) fn new(defined: Vec<Ident>) -> Self {
        Self { defined, aliases: Vec::new() }
    }

    /// Returns `ty` as written in the module. If the type needs an alias, the alias is named
    /// `alias`.
    pub(crate) fn resolve(&mut self, ty: &Type, alias: Ident) -> TokenStream {
        if !mentions(ty, &self.defined) {
            return relocate(ty, 1);
        }
        let resolved = quote!(shadowed::#alias);
        self.aliases.push((alias, relocate(ty, 2)));
        resolved
    }

    /// Returns the inner module of aliases, if there are any.
    pub(crate) fn shadowed(self) -> Option<TokenStream> {
        let (names, types): (Vec<Ident>, Vec<TokenStream>) = self.aliases.into_iter().unzip();
        (!names.is_empty()).then(|| {
            quote! {
                /// Types with the same name as a message in the parent module.
                #[allow(non_camel_case_types)]
                mod shadowed {
                    use super::super::*;
                    #(pub(super) type #names = #types;)*
                }
            }
        })
    }
}

/// Returns `true` if `tokens` contains one of `names`.
pub(crate) fn mentions(tokens: impl ToTokens, names: &[Ident]) -> bool {
    tokens.to_token_stream().into_iter().any(|token| match token {
        TokenTree::Group(group) => mentions(group.stream(), names),
        TokenTree::Ident(ident) => names.contains(&ident),
        TokenTree::Punct(_) | TokenTree::Literal(_) => false,
    })
}

/// Returns `path` as written in the module.
pub(crate) fn relocate_path(path: &Path) -> Path {
    let path = relocate(path, 1);
    parse_quote!(#path)
}

/// Returns the trait's `visibility` as written in the module.
///
/// Messages have the visibility of their trait. `pub` in a private module is not enough, because
/// the compiler accepts a private reply type only for a private message.
pub(crate) fn relocate_visibility(visibility: &Visibility) -> Visibility {
    match visibility {
        Visibility::Public(_) => visibility.clone(),
        Visibility::Inherited => parse_quote!(pub(super)),
        Visibility::Restricted(restricted) if restricted.path.is_ident("crate") => visibility.clone(),
        Visibility::Restricted(restricted) => {
            let path = relocate_path(&restricted.path);
            parse_quote!(pub(in #path))
        }
    }
}

/// Rewrites `tokens` for use `depth` modules further down.
///
/// Lengthens relative paths in types, in macros, and in the strings of attributes
/// (`#[serde(with = "self::hex")]`).
pub(crate) fn relocate(tokens: impl ToTokens, depth: usize) -> TokenStream {
    let mut lowered = TokenStream::new();
    let mut colons = 0;
    for token in tokens.to_token_stream() {
        // Only the first segment is replaced: the second `super` of `super::super::A` stays.
        let starts_path = colons < 2;
        colons =
            if matches!(&token, TokenTree::Punct(punct) if punct.as_char() == ':') { colons + 1 } else { 0 };
        match token {
            TokenTree::Ident(ident) if starts_path && (ident == "self" || ident == "super") => {
                let up = Ident::new("super", ident.span());
                let count = if ident == "self" { depth } else { depth + 1 };
                let supers = iter::repeat_n(up, count);
                lowered.extend(quote!(#(#supers)::*));
            }
            TokenTree::Group(group) => {
                let mut inner = Group::new(group.delimiter(), relocate(group.stream(), depth));
                inner.set_span(group.span());
                lowered.append(inner);
            }
            TokenTree::Literal(literal) => lowered.append(relocate_string(literal, depth)),
            other => lowered.append(other),
        }
    }
    lowered
}

/// Lengthens a string literal that is a relative path. Returns other literals unchanged.
fn relocate_string(literal: Literal, depth: usize) -> Literal {
    let Ok(string) = syn::parse2::<LitStr>(literal.to_token_stream()) else { return literal };
    let text = string.value();
    if !text.starts_with("self::") && !text.starts_with("super::") {
        return literal;
    }
    let Ok(path) = string.parse::<TokenStream>() else { return literal };
    let mut lowered = Literal::string(&token_text::of_tokens(relocate(path, depth)));
    lowered.set_span(literal.span());
    lowered
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(node: impl ToTokens) -> String {
        node.to_token_stream().to_string().replace(' ', "")
    }

    fn resolved(scope: &mut Scope, ty: &str) -> String {
        tokens(scope.resolve(&syn::parse_str(ty).expect("a type"), parse_quote!(Add_a)))
    }

    #[test]
    fn relative_paths_are_lengthened() {
        let mut scope = Scope::new(vec![parse_quote!(Add)]);
        let cases = [
            ("i64", "i64"),
            ("self::Point", "super::Point"),
            ("Vec<super::Point>", "Vec<super::super::Point>"),
            ("[u8; self::LEN]", "[u8;super::LEN]"),
            ("many![super::super::A]", "many![super::super::super::A]"),
            ("<self::A as super::B>::C", "<super::Aassuper::super::B>::C"),
            ("crate::Point", "crate::Point"),
        ];
        for (written, expected) in cases {
            assert_eq!(resolved(&mut scope, written), expected);
        }
        assert!(scope.shadowed().is_none());
    }

    #[test]
    fn a_type_named_like_a_message_gets_an_alias() {
        let mut scope = Scope::new(vec![parse_quote!(Add)]);
        assert_eq!(resolved(&mut scope, "Vec<self::Add>"), "shadowed::Add_a");
        let shadowed = scope.shadowed().expect("an alias").to_string().replace(' ', "");
        assert!(shadowed.contains("typeAdd_a=Vec<super::super::Add>;"), "{shadowed}");
    }

    #[test]
    fn visibility_matches_that_of_the_trait() {
        let cases = [
            ("pub", "pub"),
            ("", "pub(super)"),
            ("pub(crate)", "pub(crate)"),
            ("pub(super)", "pub(insuper::super)"),
            ("pub(in crate::a)", "pub(incrate::a)"),
            ("pub(self)", "pub(insuper)"),
        ];
        for (written, expected) in cases {
            let visibility: Visibility = syn::parse_str(written).expect("a visibility");
            assert_eq!(tokens(relocate_visibility(&visibility)), expected);
        }
    }

    #[test]
    fn relative_paths_in_strings_are_lengthened() {
        let attribute = quote!(serde(with = "self::hex", default = "super::one", rename = "x"));
        let expected = r#"serde(with="super::hex",default="super::super::one",rename="x")"#;
        assert_eq!(tokens(relocate(attribute, 1)), expected);
    }
}
