//! Names of type parameters in generated code, next to the names of a definition.

use std::collections::BTreeSet;

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::format_ident;
use syn::ext::IdentExt;

/// Chooses names that a definition does not contain, because a type parameter shadows a type or
/// trait of the same name.
#[derive(Default)]
pub(crate) struct GenericNames {
    used: BTreeSet<String>,
    /// `true` if the definition contains macros, which may expand to any name.
    has_macros: bool,
}

impl GenericNames {
    /// Adds the names in `tokens`.
    pub(crate) fn reserve(&mut self, tokens: TokenStream) {
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => {
                    self.used.insert(ident.unraw().to_string());
                }
                TokenTree::Group(group) => self.reserve(group.stream()),
                TokenTree::Punct(punct) => self.has_macros |= punct.as_char() == '!',
                TokenTree::Literal(_) => {}
            }
        }
    }

    /// Returns `name`, with underscores added until the definition does not contain it.
    pub(crate) fn unused(&self, name: &str) -> Ident {
        let mut ident = match self.has_macros {
            true => format_ident!("__{name}"),
            false => Ident::new(name, Span::call_site()),
        };
        while self.used.contains(&ident.to_string()) {
            ident = format_ident!("{ident}_");
        }
        ident
    }
}

#[cfg(test)]
mod tests {
    use quote::quote;

    use super::*;

    #[test]
    fn a_type_parameter_has_no_name_of_the_definition() {
        let mut names = GenericNames::default();
        names.reserve(quote!(async fn a(&self, t: Vec<(T, r#S)>)));
        assert_eq!([names.unused("T"), names.unused("S"), names.unused("C")], ["T_", "S_", "C"]);
        names.reserve(quote!(async fn b(&self, t: any![])));
        assert_eq!(names.unused("C"), "__C");
    }
}
