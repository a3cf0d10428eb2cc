//! The generated `Handler`: answers each message with the method of the same name.

use proc_macro2::{Ident, TokenStream};
use quote::quote;
use syn::ext::IdentExt;

use crate::definition::Definition;
use crate::info;
use crate::method::{Argument, Method};
use crate::names::local;
use crate::token_text;

pub(crate) fn expand(definition: &Definition) -> TokenStream {
    let Definition { methods, krate, module, .. } = definition;
    let (visibility, service_trait, handler) =
        (definition.visibility(), definition.ident(), definition.handler());
    let path = token_text::of_tokens(krate);
    let names = methods.iter().map(|method| &method.message);
    let locals = Locals::new(definition);
    let Locals { codec, request, service, answer: future, service_type, codec_type } = &locals;
    let answers = methods.iter().map(|method| answer(definition, method, &locals));
    let lints = definition.lint_levels();
    let info = info::expand(definition);
    let doc = format!(
        "[`Handler`]({path}::service::Handler) that answers messages with the methods of a [`{service}`].",
        service = service_trait.unraw()
    );
    quote! {
        #[doc = #doc]
        #lints
        #[derive(::core::fmt::Debug)]
        #visibility struct #handler<#service_type> {
            // Shared, because a blocking method may outlive its cancelled call.
            service: ::std::sync::Arc<#service_type>,
        }

        #lints
        impl<#service_type> ::core::clone::Clone for #handler<#service_type> {
            /// Returns another handle to the same service.
            fn clone(&self) -> Self {
                Self { service: ::core::clone::Clone::clone(&self.service) }
            }
        }

        #lints
        impl<#service_type: #service_trait> #handler<#service_type> {
            /// Creates a handler that calls the methods of a service.
            #visibility fn new(#service: #service_type) -> Self {
                Self { service: ::std::sync::Arc::new(#service) }
            }
        }

        #lints
        impl<#service_type: #service_trait> #krate::service::Handler for #handler<#service_type> {
            const SCHEMA: #krate::protocol::Schema = #module::SCHEMA;

            fn infos() -> ::std::vec::Vec<#krate::describe::ServiceInfo> {
                ::std::vec![#info]
            }

            async fn handle<#codec_type: #krate::codec::Codec>(
                &self,
                #codec: &#codec_type,
                #request: #krate::protocol::Request,
            ) -> ::core::result::Result<#krate::protocol::Response, #krate::Error> {
                let #future = match #request.name() {
                    #(<#module::#names as #krate::Message>::NAME => #answers,)*
                    _ => #krate::service::handler::Answer::failed(
                        #krate::service::handler::unknown_message(&#module::SCHEMA, &#request)
                    ),
                };
                #future.await
            }
        }
    }
}

/// Names inside the handler, next to the names of the user's arguments, types and traits.
struct Locals {
    codec: Ident,
    request: Ident,
    service: Ident,
    answer: Ident,
    service_type: Ident,
    codec_type: Ident,
}

impl Locals {
    fn new(definition: &Definition) -> Self {
        Self {
            codec: local("codec"),
            request: local("request"),
            service: local("service"),
            answer: local("answer"),
            service_type: definition.generic("T"),
            codec_type: definition.generic("C"),
        }
    }
}

fn answer(definition: &Definition, method: &Method, locals: &Locals) -> TokenStream {
    let Definition { krate, module, .. } = definition;
    let Locals { codec, request, service, service_type, .. } = locals;
    let (service_trait, ident) = (definition.ident(), &method.ident);
    let (fields, variables) = pattern(method);
    let context = method.context.as_ref().map(|_| local("context"));
    let mut arguments = variables;
    let items = local("items");
    method.insert_items(&mut arguments, |_| items.clone());
    let arguments = context.iter().chain(&arguments);
    let call = |receiver| quote!(<#service_type as #service_trait>::#ident(#receiver #(, #arguments)*));
    // Taken before the request is passed on.
    let take_items = method.items.as_ref().map(|_| {
        let message = &method.message;
        quote!(let #items = #krate::service::handler::streaming::<#module::#message, _>(#codec, &#request);)
    });
    if method.output.item.is_some() {
        let (call, out) = (call(quote!(&*#service)), local("out"));
        let forward = if method.output.error.is_some() { quote!(forward) } else { quote!(forward_ok) };
        let (respond, context) = match &context {
            None => (quote!(respond_stream), None),
            Some(context) => (quote!(respond_stream_in_context), Some(quote!(#context,))),
        };
        return quote!({
            let #service = ::core::clone::Clone::clone(&self.service);
            #take_items
            #krate::service::handler::#respond(#codec, #request, move |#context #module::#fields| {
                #krate::service::streaming::relay(move |#out| async move {
                    #krate::service::streaming::#forward(#call, #out).await
                })
            })
        });
    }
    if method.options.blocking.is_some() {
        let context = context.as_ref().map_or_else(|| quote!(_), |context| quote!(#context));
        let call = call(quote!(&*#service));
        let run = match method.output.error {
            Some(_) => call,
            None => quote!(::core::result::Result::Ok(#call)),
        };
        return quote!({
            let #service = ::core::clone::Clone::clone(&self.service);
            #krate::service::handler::respond_blocking(#codec, #request, move |#context, #module::#fields| #run)
        });
    }
    let call = call(quote!(&*self.service));
    let (respond, run) = match (&method.context, &method.output.error) {
        (None, None) => (quote!(respond_ok), call),
        (None, Some(_)) => (quote!(respond), call),
        (Some(_), None) => {
            (quote!(respond_in_context), quote!(async move { ::core::result::Result::Ok(#call.await) }))
        }
        (Some(_), Some(_)) => (quote!(respond_in_context), call),
    };
    let context = context.iter().map(|context| quote!(#context,)).collect::<TokenStream>();
    match take_items {
        None => {
            quote!(#krate::service::handler::#respond(#codec, #request, |#context #module::#fields| #run))
        }
        Some(take_items) => quote!({
            #take_items
            #krate::service::handler::#respond(#codec, #request, move |#context #module::#fields| #run)
        }),
    }
}

/// Returns the pattern `Add { a: __argument0, b: __argument1 }` of a message, and its variables.
fn pattern(method: &Method) -> (TokenStream, Vec<Ident>) {
    let Method { message, arguments, .. } = method;
    let names = arguments.iter().map(Argument::ident);
    let variables: Vec<Ident> =
        (0..arguments.len()).map(|index| local(format_args!("argument{index}"))).collect();
    let fields = (!variables.is_empty()).then(|| quote!({ #(#names: #variables),* }));
    (quote!(#message #fields), variables)
}
