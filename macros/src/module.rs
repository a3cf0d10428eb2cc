//! The module of a service: its schema and its messages.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};

use crate::scope::Scope;
use crate::service::Definition;
use crate::{fingerprint, message, request};

pub(crate) fn expand(definition: &Definition) -> TokenStream {
    let Definition { methods, module, .. } = definition;
    let (outer, inner) = (definition.visibility(), definition.inner_visibility());
    let krate = definition.inner_krate();
    let (service, fingerprint) = (definition.ident().to_string(), fingerprint::of(methods));

    let messages = methods.iter().map(|method| method.message.clone());
    let mut scope = Scope::new(
        messages.chain(["SCHEMA", request::NAME, "shadowed"].map(|name| format_ident!("{name}"))).collect(),
    );
    let messages: Vec<TokenStream> =
        methods.iter().map(|method| message::expand(definition, method, &mut scope)).collect();
    let request = request::expand(definition);
    let shadowed = scope.shadowed();
    let doc = format!("The messages of [`{service}`], one for each method, and its schema.");
    quote! {
        #[doc = #doc]
        // A side of the service that this program does not use is no mistake in it.
        #[allow(dead_code, unused_imports, missing_debug_implementations)]
        #[allow(clippy::all, clippy::pedantic)]
        #outer mod #module {
            use super::*;

            /// What host and worker compare before the first call.
            #inner const SCHEMA: #krate::Schema = #krate::Schema::new(#service, #fingerprint);

            #(#messages)*
            #request
            #shadowed
        }
    }
}
