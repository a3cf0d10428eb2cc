//! Enum of all messages of a service, for workers that dispatch requests themselves.

use proc_macro2::TokenStream;
use quote::quote;
use syn::ext::IdentExt;

use crate::definition::Definition;
use crate::names::local;
use crate::scope::relocate_path;

pub(crate) fn expand(definition: &Definition) -> TokenStream {
    let visibility = definition.visibility_in_module();
    let krate = definition.krate_in_module();
    let messages: Vec<_> = definition.methods.iter().map(|method| &method.message).collect();
    // `#[derive(Default)]` would need a default variant.
    let derives: Vec<_> =
        definition.derives.iter().filter(|derive| !derive.is_ident("Default")).map(relocate_path).collect();
    let derive = (!derives.is_empty()).then(|| quote!(#[derive(#(#derives),*)]));
    let docs = messages.iter().map(|message| format!("See [`{message}`]."));
    let service = definition.ident().unraw();
    let codec_type = definition.generic("C");
    let (codec, request) = (local("codec"), local("request"));
    let doc = format!("Any message of [`{service}`](super::{service}).");
    quote! {
        #[doc = #doc]
        #derive
        #visibility enum Request {
            #(
                #[doc = #docs]
                #messages(#messages),
            )*
        }

        impl Request {
            /// Decodes a raw request.
            ///
            /// # Errors
            /// Fails if the request is for another service, if the service has no message of this
            /// name, or if the body is not a valid message.
            #visibility fn decode<#codec_type: #krate::codec::Codec>(
                #codec: &#codec_type,
                #request: &#krate::protocol::Request,
            ) -> ::core::result::Result<Self, #krate::Error> {
                match #request.name() {
                    #(<#messages as #krate::Message>::NAME if #request.is::<#messages>() => {
                        #krate::service::handler::decode(#codec, #request).map(Self::#messages)
                    })*
                    _ => ::core::result::Result::Err(#krate::service::handler::unknown_message(&SCHEMA, #request)),
                }
            }

            /// Returns the message's name on the wire.
            #visibility fn name(&self) -> &'static ::core::primitive::str {
                match *self {
                    #(Self::#messages(..) => <#messages as #krate::Message>::NAME,)*
                }
            }
        }
    }
}
