//! The generated client: one method for each message, over any `Service`.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::ext::IdentExt;

use crate::definition::Definition;
use crate::doc_links;
use crate::method::{ItemsArgument, Method};
use crate::names::local;
use crate::token_text;

pub(crate) fn expand(definition: &Definition) -> TokenStream {
    let Definition { methods, krate, .. } = definition;
    let (visibility, service, client) = (definition.visibility(), definition.ident(), definition.client());
    let (parameter, carrier) = (definition.generic("S"), local("service"));
    let (lints, deprecation) = (definition.lint_levels(), definition.deprecation());
    let calls = methods.iter().map(|method| call(definition, method));
    let path = token_text::of_tokens(krate);
    let doc = format!(
        "Client that calls a [`{service}`] through a worker or another [`Service`]({path}::Service).",
        service = service.unraw()
    );
    quote! {
        #[doc = #doc]
        #(#deprecation)*
        #lints
        #[derive(::core::clone::Clone, ::core::fmt::Debug)]
        #visibility struct #client<#parameter> {
            service: #parameter,
        }

        #lints
        impl<#parameter: #krate::Service> #client<#parameter> {
            /// Creates a client that calls through a service.
            #visibility const fn new(#carrier: #parameter) -> Self {
                Self { service: #carrier }
            }

            /// Returns the service that carries the calls.
            #visibility const fn service(&self) -> &#parameter {
                &self.service
            }

            #(#calls)*
        }
    }
}

fn call(definition: &Definition, method: &Method) -> TokenStream {
    let Definition { krate, module, .. } = definition;
    let reply = &method.output.reply;
    let call = method.call(&quote!(#krate::service::streaming::IntoItems));
    let fields = method.fields();
    let links = [("Self::into_service", format!("{}::into_service", definition.ident().unraw()))];
    let attributes = method.client_attributes().map(|attribute| doc_links::relocate(attribute, &links));
    let error = match &method.output.error {
        Some(error) => quote!(#krate::CallError<#error>),
        None => quote!(#krate::Error),
    };
    let visibility = definition.visibility();
    let errors = errors(definition, method);
    if let Some(item) = &method.output.item {
        let send = match method.items.as_ref().map(ItemsArgument::ident) {
            None => quote!(stream(&self.service, #module::#fields)),
            Some(items) => quote!(stream_items(&self.service, #module::#fields, #items)),
        };
        return quote! {
            #(#attributes)*
            #[doc = #errors]
            #visibility fn #call -> #krate::service::StreamingReply<'_, #item, #error> {
                #krate::service::client::#send
            }
        };
    }
    let send = match method.items.as_ref().map(ItemsArgument::ident) {
        None => quote!(send(&self.service, #module::#fields)),
        Some(items) => quote!(send_items(&self.service, #module::#fields, #items)),
    };
    quote! {
        #(#attributes)*
        #[doc = #errors]
        #visibility fn #call
            -> impl ::core::future::Future<Output = ::core::result::Result<#reply, #error>>
                + ::core::marker::Send
        {
            #krate::service::client::#send
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
