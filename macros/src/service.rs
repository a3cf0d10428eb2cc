//! `#[service]`: puts the generated parts together.

use proc_macro2::TokenStream;

use crate::definition::Definition;
use crate::{client, handler, module, service_trait};

/// Generates the trait, the module of its messages, its client and its handler.
pub(crate) fn expand(options: TokenStream, item: TokenStream) -> syn::Result<TokenStream> {
    let definition = Definition::parse(options, item)?;
    let parts = [service_trait::expand, module::expand, client::expand, handler::expand];
    Ok(parts.iter().map(|expand| expand(&definition)).collect())
}

#[cfg(test)]
mod tests {
    use syn::Item;

    use super::*;

    #[test]
    fn the_expansion_parses_as_rust_items() {
        let body = "async fn add(&self, a: i64, add: Add) -> Result<i64, String>; async fn reset(&self);";
        let item = format!("trait Calculator {{ {body} }}").parse().expect("tokens");
        let expanded = expand(TokenStream::new(), item).expect("an expansion");
        let file: syn::File = syn::parse2(expanded).expect("items");
        assert!(matches!(&file.items[..2], [Item::Trait(_), Item::Mod(_)]));
    }
}
