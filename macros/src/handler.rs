//! The generated `Handler`: answers each message with the method of the same name.

use proc_macro2::TokenStream;
use quote::quote;

use crate::definition::Definition;
use crate::method::Method;
use crate::token_text;

pub(crate) fn expand(definition: &Definition) -> TokenStream {
    let Definition { methods, krate, module, .. } = definition;
    let (visibility, service, handler) = (definition.visibility(), definition.ident(), definition.handler());
    let path = token_text::of_tokens(krate);
    let names = methods.iter().map(|method| &method.message);
    let answers = methods.iter().map(|method| answer(definition, method));
    let doc = format!(
        "[`Handler`]({path}::service::Handler) that answers messages with the methods of a [`{service}`]."
    );
    quote! {
        #[doc = #doc]
        #[derive(::core::fmt::Debug)]
        #[allow(dead_code)]
        #visibility struct #handler<T> {
            // Shared, because a blocking method may outlive its cancelled call.
            service: ::std::sync::Arc<T>,
        }

        impl<T> ::core::clone::Clone for #handler<T> {
            /// Returns another handle to the same service.
            fn clone(&self) -> Self {
                Self { service: ::core::clone::Clone::clone(&self.service) }
            }
        }

        #[allow(dead_code)]
        impl<T: #service> #handler<T> {
            /// Creates a handler that calls the methods of `service`.
            #visibility fn new(service: T) -> Self {
                Self { service: ::std::sync::Arc::new(service) }
            }
        }

        // Lints about a signature are reported at the trait.
        #[allow(deprecated, clippy::all, clippy::pedantic)]
        impl<T: #service> #krate::service::Handler for #handler<T> {
            const SCHEMA: #krate::protocol::Schema = #module::SCHEMA;

            async fn handle<C: #krate::codec::Codec>(
                &self,
                codec: &C,
                request: #krate::protocol::Request,
            ) -> ::core::result::Result<#krate::protocol::Response, #krate::Error> {
                use #krate::Message as _;
                match request.name() {
                    #(#module::#names::NAME => #answers,)*
                    _ => ::core::result::Result::Err(#krate::service::handler::unknown_message(&Self::SCHEMA, &request)),
                }
            }
        }
    }
}

fn answer(definition: &Definition, method: &Method) -> TokenStream {
    let Definition { krate, module, .. } = definition;
    let (service, ident, fields) = (definition.ident(), &method.ident, method.fields());
    let context = method.context.iter().map(|(name, _)| name);
    let arguments = context.clone().chain(method.arguments.iter().map(|argument| &argument.ident));
    if method.options.blocking.is_some() {
        let context = method.context.as_ref().map_or_else(|| quote!(_), |(name, _)| quote!(#name));
        let call = quote!(#service::#ident(&*service #(, #arguments)*));
        let run = match method.output.error {
            Some(_) => call,
            None => quote!(::core::result::Result::Ok(#call)),
        };
        return quote!({
            let service = ::std::sync::Arc::clone(&self.service);
            #krate::service::handler::respond_blocking(codec, request, move |#context, #module::#fields| #run).await
        });
    }
    let call = quote!(#service::#ident(&*self.service #(, #arguments)*));
    let run = match method.output.error {
        Some(_) => call,
        None => quote!(async move { ::core::result::Result::Ok(#call.await) }),
    };
    let respond = if method.context.is_some() { quote!(respond_in_context) } else { quote!(respond) };
    quote!(#krate::service::handler::#respond(codec, request, |#(#context,)* #module::#fields| #run).await)
}
