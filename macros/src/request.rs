//! The enum of all messages of a service, for a worker that wants to look at requests before it answers them.

use proc_macro2::TokenStream;
use quote::quote;

use crate::scope::lower_path;
use crate::service::Definition;

/// The name of the enum.
pub(crate) const NAME: &str = "Request";

pub(crate) fn expand(definition: &Definition) -> TokenStream {
    let visibility = definition.inner_visibility();
    let krate = definition.inner_krate();
    let messages: Vec<_> = definition.methods.iter().map(|method| &method.message).collect();
    // Of all messages, none is the default.
    let derives: Vec<_> =
        definition.derives.iter().filter(|derive| !derive.is_ident("Default")).map(lower_path).collect();
    let derive = (!derives.is_empty()).then(|| quote!(#[derive(#(#derives),*)]));
    let docs = messages.iter().map(|message| format!("See [`{message}`]."));
    let service = definition.ident();
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
            /// If the service has no message of this name, or the bytes are not those of the message.
            #visibility fn decode<C: #krate::Codec>(
                codec: &C,
                request: &#krate::Request,
            ) -> ::core::result::Result<Self, #krate::Error> {
                use #krate::Message as _;
                match request.name() {
                    #(#messages::NAME => #krate::handler::decode(codec, request).map(Self::#messages),)*
                    _ => ::core::result::Result::Err(#krate::handler::unknown_message(&SCHEMA, request)),
                }
            }

            /// The name of the message on the wire.
            #visibility fn name(&self) -> &'static str {
                match *self {
                    #(Self::#messages(..) => <#messages as #krate::Message>::NAME,)*
                }
            }
        }
    }
}
