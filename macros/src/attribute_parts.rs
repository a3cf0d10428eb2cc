//! Attributes as the compiler sees them later: with those inside `#[cfg_attr(..)]`.
//!
//! The compiler expands the `cfg_attr` of methods and arguments only after this macro, so their
//! attributes are copied together with their conditions.

use proc_macro2::{TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::parse::ParseStream;
use syn::punctuated::Punctuated;
use syn::{Attribute, Meta, Token, parse_quote};

/// Names of the attributes that set the level of a lint.
const LINT_LEVELS: [&str; 5] = ["allow", "expect", "warn", "deny", "forbid"];

/// An attribute, and the conditions of the `cfg_attr` around it.
pub(crate) struct AttributePart {
    pub(crate) conditions: Vec<TokenStream>,
    pub(crate) meta: Meta,
}

impl AttributePart {
    /// Returns `true` if the attribute has one of these names.
    pub(crate) fn is(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.meta.path().is_ident(name))
    }

    /// Returns `true` if the attribute is documentation text, and not a setting such as
    /// `doc(hidden)`.
    pub(crate) fn is_doc_text(&self) -> bool {
        self.is(&["doc"]) && matches!(self.meta, Meta::NameValue(_))
    }

    /// Returns `true` if the attribute is a setting of rustdoc, such as `doc(hidden)`.
    pub(crate) fn is_doc_setting(&self) -> bool {
        self.is(&["doc"]) && matches!(self.meta, Meta::List(_))
    }
}

impl ToTokens for AttributePart {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Self { conditions, meta } = self;
        tokens.extend(match &conditions[..] {
            [] => quote!(#[#meta]),
            _ => quote!(#[cfg_attr(all(#(#conditions),*), #meta)]),
        });
    }
}

/// Returns all parts of `attributes`, in order.
pub(crate) fn parts(attributes: &[Attribute]) -> Vec<AttributePart> {
    let mut parts = Vec::new();
    for attribute in attributes {
        add(&attribute.meta, &[], &mut parts);
    }
    parts
}

fn add(meta: &Meta, conditions: &[TokenStream], parts: &mut Vec<AttributePart>) {
    // A `cfg_attr` that does not parse is left to the compiler.
    if meta.path().is_ident("cfg_attr")
        && let Meta::List(list) = meta
        && let Ok((condition, inner)) = list.parse_args_with(conditional)
    {
        let conditions = [conditions, &[condition]].concat();
        inner.iter().for_each(|meta| add(meta, &conditions, parts));
    } else {
        parts.push(AttributePart { conditions: conditions.to_vec(), meta: meta.clone() });
    }
}

fn conditional(input: ParseStream<'_>) -> syn::Result<(TokenStream, Punctuated<Meta, Token![,]>)> {
    let mut condition = TokenStream::new();
    while !input.peek(Token![,]) {
        condition.extend([input.parse::<TokenTree>()?]);
    }
    input.parse::<Token![,]>()?;
    Ok((condition, Punctuated::parse_terminated(input)?))
}

/// Returns the lint levels among `attributes`, for code generated from the same definition.
///
/// `expect` becomes `allow`, because a copy need not trigger the lint.
pub(crate) fn lint_levels(attributes: &[Attribute]) -> Vec<AttributePart> {
    let mut levels = parts(attributes);
    levels.retain(|part| part.is(&LINT_LEVELS));
    for level in &mut levels {
        if let Meta::List(list) = &mut level.meta
            && list.path.is_ident("expect")
        {
            list.path = parse_quote!(allow);
        }
    }
    levels
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token_text;

    fn text(parts: &[AttributePart]) -> String {
        token_text::of_tokens(quote!(#(#parts)*))
    }

    #[test]
    fn attributes_inside_cfg_attr_keep_their_conditions() {
        let attributes: Vec<Attribute> = vec![
            parse_quote!(#[deprecated]),
            parse_quote!(#[cfg_attr(any(unix, windows), doc = "a", cfg_attr(test, serde(default)))]),
            parse_quote!(#[cfg_attr(nonsense)]),
        ];
        let parts = parts(&attributes);
        let serde: Vec<_> = parts.iter().filter(|part| part.is(&["serde"])).collect();
        assert_eq!(
            text(&parts),
            "#[deprecated]#[cfg_attr(all(any(unix, windows)), doc=\"a\")]\
             #[cfg_attr(all(any(unix, windows), test), serde(default))]#[cfg_attr(nonsense)]"
        );
        assert_eq!(serde.len(), 1);
    }

    #[test]
    fn an_expected_lint_is_allowed_in_copies() {
        let attributes: Vec<Attribute> =
            vec![parse_quote!(#[cfg_attr(unix, expect(deprecated))]), parse_quote!(#[doc = "a"])];
        assert_eq!(text(&lint_levels(&attributes)), "#[cfg_attr(all(unix), allow(deprecated))]");
    }
}
