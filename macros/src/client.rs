//! The generated clients: one method for each message, over any `Service`. Those of the async client
//! return futures and streams, those of the blocking one wait.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote};
use syn::ext::IdentExt;

use crate::definition::Definition;
use crate::doc_links;
use crate::method::{ItemsArgument, Method};
use crate::names::local;
use crate::token_text;

pub(crate) fn expand(definition: &Definition) -> TokenStream {
    let krate = &definition.krate;
    let client = Client {
        definition,
        name: definition.client(),
        bound: quote!(#krate::Service),
        functions: quote!(#krate::service::client),
        items_trait: quote!(#krate::service::streaming::IntoItems),
        reply_iter: quote!(#krate::service::StreamingReply),
        is_blocking: false,
    };
    let blocking = cfg!(feature = "blocking").then(|| Client {
        definition,
        name: definition.blocking_client(),
        bound: quote!(#krate::blocking::BlockingService),
        functions: quote!(#krate::blocking),
        items_trait: quote!(#krate::service::streaming::IterItems),
        reply_iter: quote!(#krate::blocking::ReplyIter),
        is_blocking: true,
    });
    [client].iter().chain(&blocking).map(Client::generate).collect()
}

struct Client<'a> {
    definition: &'a Definition,
    name: Ident,
    /// Trait of the services that it calls.
    bound: TokenStream,
    /// Module of the functions that its methods call.
    functions: TokenStream,
    /// Trait of the items of the caller.
    items_trait: TokenStream,
    /// Type of the items of the callee.
    reply_iter: TokenStream,
    is_blocking: bool,
}

impl Client<'_> {
    fn generate(&self) -> TokenStream {
        let Self { definition, name, bound, .. } = self;
        let visibility = definition.visibility();
        let (parameter, carrier) = (definition.generic("S"), local("service"));
        let (lints, deprecation) = (definition.lint_levels(), definition.deprecation());
        let methods = definition.methods.iter().map(|method| self.method(method));
        let doc = self.doc();
        quote! {
            #[doc = #doc]
            #(#deprecation)*
            #lints
            #[derive(::core::clone::Clone, ::core::fmt::Debug)]
            #visibility struct #name<#parameter> {
                service: #parameter,
            }

            #lints
            impl<#parameter: #bound> #name<#parameter> {
                /// Creates a client that calls through a service.
                #visibility const fn new(#carrier: #parameter) -> Self {
                    Self { service: #carrier }
                }

                /// Returns the service that carries the calls.
                #visibility const fn service(&self) -> &#parameter {
                    &self.service
                }

                #(#methods)*
            }
        }
    }

    fn doc(&self) -> String {
        let path = token_text::of_tokens(&self.definition.krate);
        let service = self.definition.ident().unraw();
        if self.is_blocking {
            let worker = format!("[blocking worker or pool]({path}::blocking)");
            format!("Client that calls a [`{service}`] through a {worker}, and waits on the calling thread.")
        } else {
            format!(
                "Client that calls a [`{service}`] through a worker or another [`Service`]({path}::Service)."
            )
        }
    }

    fn method(&self, method: &Method) -> TokenStream {
        let Self { definition, functions, reply_iter, .. } = self;
        let Definition { krate, module, .. } = definition;
        let reply = &method.output.reply;
        let (call, fields) = (method.call(&self.items_trait), method.fields());
        let links = [("Self::into_service", format!("{}::into_service", definition.ident().unraw()))];
        let attributes = method.client_attributes().map(|attribute| doc_links::relocate(attribute, &links));
        let error = match &method.output.error {
            Some(error) => quote!(#krate::CallError<#error>),
            None => quote!(#krate::Error),
        };
        let visibility = definition.visibility();
        let errors = errors(definition, method);
        let items = method.items.as_ref().map(ItemsArgument::ident);
        let returns = match &method.output.item {
            Some(item) => quote!(#reply_iter<'_, #item, #error>),
            None if self.is_blocking => quote!(::core::result::Result<#reply, #error>),
            None => quote! {
                impl ::core::future::Future<Output = ::core::result::Result<#reply, #error>>
                    + ::core::marker::Send
            },
        };
        let send = match (&method.output.item, items) {
            (Some(_), None) => quote!(stream(&self.service, #module::#fields)),
            (Some(_), Some(items)) => quote!(stream_items(&self.service, #module::#fields, #items)),
            (None, None) => quote!(send(&self.service, #module::#fields)),
            (None, Some(items)) => quote!(send_items(&self.service, #module::#fields, #items)),
        };
        quote! {
            #(#attributes)*
            #[doc = #errors]
            #visibility fn #call -> #returns {
                #functions::#send
            }
        }
    }
}

/// Returns the documentation of a method's errors, with a heading unless the method's docs have
/// one.
fn errors(definition: &Definition, method: &Method) -> String {
    const HEADING: &str = "# Errors";
    let path = token_text::of_tokens(&definition.krate);
    let call = "the call itself fails, for example because the worker crashed or a timeout expired";
    let errors = match method.output.error {
        Some(_) => format!(
            "[`CallError::Service`]({path}::CallError::Service) is the method's own error; \
             [`CallError::Call`]({path}::CallError::Call) is returned if {call}."
        ),
        None if method.options.oneway.is_some() => {
            format!(
                "[`Error`]({path}::Error) if the message could not be sent. Later failures are not reported."
            )
        }
        None => format!("[`Error`]({path}::Error) if {call}."),
    };
    let has_heading =
        method.client_attributes().any(|attribute| attribute.to_token_stream().to_string().contains(HEADING));
    if has_heading { format!("\n{errors}") } else { format!("\n{HEADING}\n{errors}") }
}
