//! Generated module of a service: its schema and its messages.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};

use crate::definition::Definition;
use crate::scope::Scope;
use crate::{fingerprint, message, names, request_enum};

pub(crate) fn expand(definition: &Definition) -> TokenStream {
    let Definition { methods, module, .. } = definition;
    let (outer, inner) = (definition.visibility(), definition.visibility_in_module());
    let krate = definition.krate_in_module();
    let (service, fingerprint) = (definition.ident().to_string(), fingerprint::of(methods));

    let messages = methods.iter().map(|method| method.message.clone());
    let mut scope = Scope::new(
        messages.chain(["SCHEMA", names::REQUEST, "shadowed"].map(|name| format_ident!("{name}"))).collect(),
    );
    let messages: Vec<TokenStream> =
        methods.iter().map(|method| message::expand(definition, method, &mut scope)).collect();
    let request = request_enum::expand(definition);
    let shadowed = scope.shadowed();
    let doc = format!("Messages of [`{service}`], one for each method, and its schema.");
    quote! {
        #[doc = #doc]
        // A program may use only the client or only the handler.
        #[allow(dead_code, unused_imports, missing_debug_implementations)]
        #[allow(clippy::all, clippy::pedantic)]
        #outer mod #module {
            use super::*;

            /// Schema that host and worker compare before the first call.
            #inner const SCHEMA: #krate::protocol::Schema = #krate::protocol::Schema::new(#service, #fingerprint);

            #(#messages)*
            #request
            #shadowed
        }
    }
}
