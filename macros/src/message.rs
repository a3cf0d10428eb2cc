//! Message of a method: the struct of its arguments, and its `Message` implementation.

use std::slice;

use proc_macro2::{Ident, TokenStream};
use quote::{quote, quote_spanned};
use syn::ext::IdentExt;
use syn::{Attribute, LitStr, Type};

use crate::attribute_parts::{self, AttributePart};
use crate::attributes::MessageOptions;
use crate::definition::Definition;
use crate::doc_links;
use crate::duration;
use crate::method::{Argument, Method};
use crate::scope::{Scope, relocate, relocate_path};
use crate::{message_serde, token_text};

pub(crate) fn expand(definition: &Definition, method: &Method, scope: &mut Scope) -> TokenStream {
    let structure = structure(definition, method, scope);
    let implementation = implementation(definition, method, scope);
    quote!(#structure #implementation)
}

fn structure(definition: &Definition, method: &Method, scope: &mut Scope) -> TokenStream {
    let Method { message, arguments, .. } = method;
    let visibility = definition.visibility_in_module();
    let derives: Vec<_> = definition.derives.iter().map(relocate_path).collect();
    let doc = doc(definition, method);
    let attributes = method.message_attributes();
    let resolve = |argument: &Argument| scope.resolve(&argument.ty, method.alias(argument.ident()));
    let types: Vec<TokenStream> = arguments.iter().map(resolve).collect();
    let is_derived = message_serde::is_derived(method);
    let fields =
        arguments.iter().zip(&types).map(|(argument, ty)| field(definition, argument, ty, is_derived));
    let body = if arguments.is_empty() { quote!(;) } else { quote!({ #(#fields),* }) };
    let derive = (!derives.is_empty()).then(|| quote!(#[derive(#(#derives),*)]));
    let (serde_derive, serde_impls) = if is_derived {
        (Some(message_serde::derive(definition, method)), None)
    } else {
        (None, Some(message_serde::implement(definition, method, &types)))
    };
    quote_spanned! {method.span()=>
        #[doc = #doc]
        #(#attributes)*
        #serde_derive
        #derive
        #visibility struct #message #body

        #serde_impls
    }
}

/// Links to the method, whose documentation is not repeated: its links resolve in another module.
fn doc(definition: &Definition, method: &Method) -> String {
    let (service, method) = (definition.ident().unraw(), method.ident.unraw());
    format!("Message of [`{service}::{method}`](super::{service}::{method}).")
}

fn field(definition: &Definition, argument: &Argument, ty: &TokenStream, is_derived: bool) -> TokenStream {
    let attributes = &argument.attributes;
    let ident = argument.ident();
    let visibility = definition.visibility_in_module();
    let krate = definition.krate_in_module();
    let with = (is_derived && argument.is_bytes()).then(|| quote!(#krate::__private::maybe_bytes));
    let as_bytes = with.and_then(|with| {
        // The compiler reports a type that does not fit at the argument.
        let with = LitStr::new(&token_text::of_tokens(with), argument.span());
        unless_serde(attributes, quote!(serde(with = #with)))
    });
    let attributes = attributes.iter().flat_map(|attribute| field_attribute(definition, attribute));
    let doc = (!argument.is_documented()).then(|| {
        let doc = format!("Argument `{}`.", ident.unraw());
        quote_spanned!(argument.span()=> #[doc = #doc])
    });
    quote_spanned!(argument.span()=> #doc #as_bytes #(#attributes)* #visibility #ident: #ty)
}

/// Returns an attribute of an argument as written in the module.
fn field_attribute(definition: &Definition, attribute: &Attribute) -> Vec<TokenStream> {
    let parts = attribute_parts::parts(slice::from_ref(attribute));
    let relocated = |part: AttributePart| {
        if part.is_doc_text() {
            let service = format!("super::{}::", definition.ident().unraw());
            let links =
                [("Self::", service), ("self::", "super::".into()), ("super::", "super::super::".into())];
            doc_links::relocate(part, &links)
        } else {
            relocate(part, 1)
        }
    };
    parts.into_iter().map(relocated).collect()
}

/// Returns `attribute` for a field that has no attribute of serde, or has one only on a condition.
fn unless_serde(attributes: &[Attribute], attribute: TokenStream) -> Option<TokenStream> {
    let mut parts = attribute_parts::parts(attributes);
    parts.retain(|part| part.is(&["serde"]));
    if parts.iter().any(|part| part.conditions.is_empty()) {
        return None;
    }
    let conditions = parts.iter().map(|AttributePart { conditions, .. }| quote!(all(#(#conditions),*)));
    Some(if parts.is_empty() {
        quote!(#[#attribute])
    } else {
        quote!(#[cfg_attr(not(any(#(#conditions),*)), #attribute)])
    })
}

fn implementation(definition: &Definition, method: &Method, scope: &mut Scope) -> TokenStream {
    let Method { message, options, output, .. } = method;
    let krate = definition.krate_in_module();
    let name = method.wire_name();
    let reply = scope.resolve(&output.reply, method.alias("Reply"));
    let error = match &output.error {
        Some(error) => scope.resolve(error, method.alias("Error")),
        None => quote!(#krate::error::Never),
    };
    let constants = constants(options);
    let into_sendable = message_serde::into_sendable(definition, method);
    let lints = method.lint_levels();
    let idle = options.idle.iter().filter(|(idle, _)| !idle.is_zero()).map(|(idle, _)| {
        let idle = duration::expression(*idle);
        quote! {
            const IDLE: ::core::option::Option<::core::time::Duration> = ::core::option::Option::Some(#idle);
        }
    });
    let idle = idle.collect::<TokenStream>();
    let mut stream = |name: &str, item: &Option<Type>, alias: &str, constants: &TokenStream| {
        let item = scope.resolve(item.as_ref()?, method.alias(alias));
        let name = Ident::new(name, proc_macro2::Span::call_site());
        Some(quote! {
            #(#lints)*
            impl #krate::service::#name for #message {
                type Item = #item;
                #constants
            }
        })
    };
    let items = stream(
        "RequestStream",
        &method.items.as_ref().map(|items| items.item.clone()),
        "Items",
        &TokenStream::new(),
    );
    let reply_items = stream("ReplyStream", &output.item, "Item", &idle);
    quote_spanned! {method.span()=>
        #(#lints)*
        impl #krate::Message for #message {
            const NAME: &'static ::core::primitive::str = #name;
            type Reply = #reply;
            type Error = #error;
            const SERVICE: ::core::option::Option<&'static #krate::protocol::Schema> =
                ::core::option::Option::Some(&__SERVICE);
            #constants

            fn into_sendable(self) -> ::core::result::Result<#krate::service::Sendable<Self>, Self> {
                #into_sendable
            }
        }
        #items
        #reply_items
    }
}

/// Generates the constants that differ from their default.
pub(crate) fn constants(options: &MessageOptions) -> TokenStream {
    let oneway = options.oneway.iter().map(|_| {
        quote! { const ONEWAY: ::core::primitive::bool = true; }
    });
    let timeout = options.timeout.iter().map(|timeout| {
        let timeout = duration::expression(*timeout);
        quote! {
            const TIMEOUT: ::core::option::Option<::core::time::Duration> = ::core::option::Option::Some(#timeout);
        }
    });
    let retry = options.retry.iter().map(|(times, _)| {
        quote! { const RETRY: ::core::primitive::u32 = #times; }
    });
    let idempotent =
        options.idempotent.iter().map(|_| quote! { const IDEMPOTENT: ::core::primitive::bool = true; });
    oneway.chain(timeout).chain(retry).chain(idempotent).collect()
}
