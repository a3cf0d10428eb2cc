//! Makes types that were written in the trait's scope mean the same in the generated module below it.
//!
//! The module imports everything of the trait's scope (`use super::*`), so most types can stand there as they were
//! written. Two kinds cannot: paths that begin with `self` or `super`, and types that use a name which the module
//! defines itself, as in `fn add(&self, add: Add)`, whose message is `Add` too. The latter get an alias, in a module
//! inside the module that defines no messages.

use std::iter;

use proc_macro2::{Group, Ident, Literal, TokenStream, TokenTree};
use quote::{ToTokens, TokenStreamExt, quote};
use syn::{LitStr, Path, Type, Visibility, parse_quote};

use crate::text;

/// The scope of the generated module.
pub(crate) struct Scope {
    /// What the module defines.
    defined: Vec<Ident>,
    aliases: Vec<(Ident, TokenStream)>,
}

impl Scope {
    pub(crate) fn new(defined: Vec<Ident>) -> Self {
        Self { defined, aliases: Vec::new() }
    }

    /// `ty` as the module has to write it; `alias` is the name of its alias, should it need one.
    pub(crate) fn place(&mut self, ty: &Type, alias: Ident) -> TokenStream {
        if !mentions(ty, &self.defined) {
            return lower(ty, 1);
        }
        let placed = quote!(shadowed::#alias);
        self.aliases.push((alias, lower(ty, 2)));
        placed
    }

    /// The module of aliases, if one is needed.
    pub(crate) fn shadowed(self) -> Option<TokenStream> {
        let (names, types): (Vec<Ident>, Vec<TokenStream>) = self.aliases.into_iter().unzip();
        (!names.is_empty()).then(|| {
            quote! {
                /// Types whose names are taken by messages one module up.
                #[allow(non_camel_case_types)]
                mod shadowed {
                    use super::super::*;
                    #(pub(super) type #names = #types;)*
                }
            }
        })
    }
}

/// Whether one of `names` is anywhere in `tokens`.
pub(crate) fn mentions(tokens: impl ToTokens, names: &[Ident]) -> bool {
    tokens.to_token_stream().into_iter().any(|token| match token {
        TokenTree::Group(group) => mentions(group.stream(), names),
        TokenTree::Ident(ident) => names.contains(&ident),
        TokenTree::Punct(_) | TokenTree::Literal(_) => false,
    })
}

/// `path` as the module has to write it.
pub(crate) fn lower_path(path: &Path) -> Path {
    let path = lower(path, 1);
    parse_quote!(#path)
}

/// The visibility that says in the module what `visibility` says outside of it.
///
/// Messages have the visibility of their trait, not just `pub` in a private module: the compiler accepts a private
/// type as the reply of a private message only.
pub(crate) fn lower_visibility(visibility: &Visibility) -> Visibility {
    match visibility {
        Visibility::Public(_) => visibility.clone(),
        Visibility::Inherited => parse_quote!(pub(super)),
        Visibility::Restricted(restricted) if restricted.path.is_ident("crate") => visibility.clone(),
        Visibility::Restricted(restricted) => {
            let path = lower_path(&restricted.path);
            parse_quote!(pub(in #path))
        }
    }
}

/// `tokens` for use `depth` modules further down, with its relative paths lengthened: those of types, those in macros,
/// and those in the strings of attributes (`#[serde(with = "self::hex")]`).
pub(crate) fn lower(tokens: impl ToTokens, depth: usize) -> TokenStream {
    let mut lowered = TokenStream::new();
    let mut colons = 0;
    for token in tokens.to_token_stream() {
        // Only the first segment of a path counts: the second `super` of `super::super::A` stays.
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
                let mut inner = Group::new(group.delimiter(), lower(group.stream(), depth));
                inner.set_span(group.span());
                lowered.append(inner);
            }
            TokenTree::Literal(literal) => lowered.append(lower_string(literal, depth)),
            other => lowered.append(other),
        }
    }
    lowered
}

/// A string literal that is a relative path, lengthened; all other literals as they are.
fn lower_string(literal: Literal, depth: usize) -> Literal {
    let Ok(string) = syn::parse2::<LitStr>(literal.to_token_stream()) else { return literal };
    let text = string.value();
    if !text.starts_with("self::") && !text.starts_with("super::") {
        return literal;
    }
    let Ok(path) = string.parse::<TokenStream>() else { return literal };
    let mut lowered = Literal::string(&text::of_tokens(lower(path, depth)));
    lowered.set_span(literal.span());
    lowered
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(node: impl ToTokens) -> String {
        node.to_token_stream().to_string().replace(' ', "")
    }

    fn place(scope: &mut Scope, ty: &str) -> String {
        tokens(scope.place(&syn::parse_str(ty).expect("a type"), parse_quote!(Add_a)))
    }

    #[test]
    fn relative_paths_climb() {
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
            assert_eq!(place(&mut scope, written), expected);
        }
        assert!(scope.shadowed().is_none());
    }

    #[test]
    fn names_of_messages_get_an_alias() {
        let mut scope = Scope::new(vec![parse_quote!(Add)]);
        assert_eq!(place(&mut scope, "Vec<self::Add>"), "shadowed::Add_a");
        let shadowed = scope.shadowed().expect("an alias").to_string().replace(' ', "");
        assert!(shadowed.contains("typeAdd_a=Vec<super::super::Add>;"), "{shadowed}");
    }

    #[test]
    fn visibility_is_that_of_the_trait() {
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
            assert_eq!(tokens(lower_visibility(&visibility)), expected);
        }
    }

    #[test]
    fn strings_that_are_relative_paths_climb() {
        let attribute = quote!(serde(with = "self::hex", default = "super::one", rename = "x"));
        let expected = r#"serde(with="super::hex",default="super::super::one",rename="x")"#;
        assert_eq!(tokens(lower(attribute, 1)), expected);
    }
}
