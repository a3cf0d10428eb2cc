//! The generated client: one method for each message, over any `Service`.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, format_ident, quote};

use crate::definition::Definition;
use crate::method::Method;
use crate::scope::mentions;
use crate::token_text;

pub(crate) fn expand(definition: &Definition) -> TokenStream {
    let Definition { methods, krate, .. } = definition;
    let (visibility, service, client) = (definition.visibility(), definition.ident(), definition.client());
    let parameter = parameter(methods);
    let calls = methods.iter().map(|method| call(definition, &parameter, method));
    let path = token_text::of_tokens(krate);
    let doc = format!(
        "Client that calls a [`{service}`] through a worker or another [`Service`]({path}::Service)."
    );
    quote! {
        #[doc = #doc]
        #[derive(::core::clone::Clone, ::core::fmt::Debug)]
        #[allow(dead_code)]
        #visibility struct #client<#parameter> {
            service: #parameter,
        }

        #[allow(dead_code)]
        impl<#parameter: #krate::Service> #client<#parameter> {
            /// Creates a client that calls through `service`.
            #visibility const fn new(service: #parameter) -> Self {
                Self { service }
            }

            /// Returns the service that carries the calls.
            #visibility const fn service(&self) -> &#parameter {
                &self.service
            }
        }

        // Lints about a signature are reported at the trait.
        #[allow(dead_code, clippy::all, clippy::pedantic)]
        impl<#parameter: #krate::Service> #client<#parameter> {
            #(#calls)*
        }
    }
}

fn call(definition: &Definition, parameter: &Ident, method: &Method) -> TokenStream {
    let Definition { krate, module, .. } = definition;
    let reply = &method.output.reply;
    let call = method.call();
    let fields = method.fields();
    let attributes = method.client_attributes();
    let error = match &method.output.error {
        Some(error) => quote!(#krate::CallError<#error>),
        None => quote!(#krate::Error),
    };
    let visibility = definition.visibility();
    let errors = errors(definition, method);
    quote! {
        #(#attributes)*
        #[doc = #errors]
        #visibility fn #call
            -> impl ::core::future::Future<Output = ::core::result::Result<#reply, #error>>
                + ::core::marker::Send + use<'_, #parameter>
        {
            #krate::service::client::send(&self.service, &#module::#fields)
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
    let has_heading = method.docs().any(|doc| doc.to_token_stream().to_string().contains(HEADING));
    if has_heading { format!("\n{errors}") } else { format!("\n{HEADING}\n{errors}") }
}

/// Returns a name for the type parameter that no signature uses: `S`, or `S_` if there is a type
/// `S`.
fn parameter(methods: &[Method]) -> Ident {
    let mut parameter = format_ident!("S");
    let used: TokenStream =
        methods.iter().flat_map(|method| [method.call(), method.output.ty.to_token_stream()]).collect();
    while mentions(&used, &[parameter.clone()]) {
        parameter = format_ident!("{parameter}_");
    }
    parameter
}
