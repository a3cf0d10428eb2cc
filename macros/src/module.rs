//! Generated module of a service: its schema and its messages.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::ext::IdentExt;

use crate::definition::Definition;
use crate::scope::Scope;
use crate::{fingerprint, message, request_enum};

pub(crate) fn expand(definition: &Definition) -> TokenStream {
    let Definition { methods, module, .. } = definition;
    let (outer, inner) = (definition.visibility(), definition.visibility_in_module());
    let krate = definition.krate_in_module();
    let (service, fingerprint) = (definition.ident().to_string(), fingerprint::of(methods));
    let (names, fingerprints): (Vec<_>, Vec<_>) = fingerprint::of_each(methods).into_iter().unzip();

    let messages = methods.iter().map(|method| method.message.clone());
    let mut scope = Scope::new(
        messages
            .chain(["SCHEMA", "__SERVICE", "Request", "shadowed"].map(|name| format_ident!("{name}")))
            .collect(),
    );
    let messages: Vec<TokenStream> =
        methods.iter().map(|method| message::expand(definition, method, &mut scope)).collect();
    let request = request_enum::expand(definition);
    let shadowed = scope.shadowed();
    let lints = definition.lint_levels();
    let doc =
        format!("Messages of [`{0}`], one for each method, and its schema.", definition.ident().unraw());
    quote! {
        #[doc = #doc]
        #lints
        #outer mod #module {
            use super::*;

            /// Schema that host and worker compare before the first call.
            #inner const SCHEMA: #krate::protocol::Schema =
                #krate::protocol::Schema::new(#service, #fingerprint).with_messages(&[#((#names, #fingerprints)),*]);

            static __SERVICE: #krate::protocol::Schema = SCHEMA;

            #(#messages)*
            #request
            #shadowed
        }
    }
}
