//! Serde support of a message: code that shares what it can with the messages of all services, or
//! serde's derives.

use proc_macro2::{Literal, Span, TokenStream, TokenTree};
use quote::quote;
use syn::ext::IdentExt;

use crate::attribute_parts;
use crate::definition::Definition;
use crate::method::{Argument, Method};
use crate::names::local;
use crate::token_text;

/// Maximum number of arguments that the shared code supports.
const MAX_SHARED: usize = 8;

/// Returns `true` if serde's derives are needed: an argument has an attribute for them, or there
/// are very many arguments.
pub(crate) fn is_derived(method: &Method) -> bool {
    let has_attribute = |argument: &Argument| {
        attribute_parts::parts(&argument.attributes).iter().any(|part| part.is(&["serde"]))
    };
    method.arguments.len() > MAX_SHARED || method.arguments.iter().any(has_attribute)
}

/// Returns the attributes of serde's derives.
pub(crate) fn derive(definition: &Definition, method: &Method) -> TokenStream {
    let krate = definition.krate_in_module();
    // The compiler reports an argument without serde support at these derives.
    let serde = located(quote!(#krate::__private::serde), method.ident.span());
    let path = token_text::of_tokens(&serde);
    quote! {
        #[derive(#serde::Serialize, #serde::Deserialize)]
        #[serde(crate = #path)]
    }
}

/// Moves `tokens` to `span`, so that errors about them point there.
fn located(tokens: TokenStream, span: Span) -> TokenStream {
    let locate = |mut token: TokenTree| {
        token.set_span(token.span().located_at(span));
        token
    };
    tokens.into_iter().map(locate).collect()
}

/// Generates the body of `Message::into_sendable`.
pub(crate) fn into_sendable(definition: &Definition, method: &Method) -> TokenStream {
    let krate = definition.krate_in_module();
    let count = Literal::usize_unsuffixed(method.arguments.len());
    let sendable = if is_derived(method) || method.arguments.is_empty() {
        quote!(::std::boxed::Box::new(|| self))
    } else {
        quote!(#krate::__private::arguments::into_sendable::<Self, #count>(self))
    };
    quote!(::core::result::Result::Ok(#sendable))
}

/// Generates implementations of serde's traits. `types` are those of the arguments, with
/// [`is_bytes`](Argument::is_bytes) for each.
pub(crate) fn implement(definition: &Definition, method: &Method, types: &[TokenStream]) -> TokenStream {
    let Method { message, arguments, .. } = method;
    let krate = definition.krate_in_module();
    let (serde, shared) = (quote!(#krate::__private::serde), quote!(#krate::__private::arguments));
    let (serializer, deserializer) = (local("serializer"), local("deserializer"));
    let (fields_out, values) = (local("fields"), local("values"));
    let struct_name = message.unraw().to_string();
    let count = Literal::usize_unsuffixed(arguments.len());
    let names: Vec<String> = arguments.iter().map(|argument| argument.ident().unraw().to_string()).collect();

    let mut argument_types = TokenStream::new();
    let mut encode = TokenStream::new();
    let mut fields = TokenStream::new();
    let mut values_out = TokenStream::new();
    for (index, ((argument, ty), name)) in arguments.iter().zip(types).zip(&names).enumerate() {
        let (ident, index) = (argument.ident(), Literal::usize_unsuffixed(index));
        let (ty, function, value) = if argument.is_bytes() {
            let bytes = quote!(#krate::__private::maybe_bytes::MaybeBytes);
            values_out.extend(quote!(#bytes(self.#ident),));
            (quote!(#bytes<#ty>), quote!(serialize_bytes), quote!(#values.#index.0))
        } else {
            values_out.extend(quote!(self.#ident,));
            (ty.clone(), quote!(serialize::<Self, #index, _>), quote!(#values.#index))
        };
        let lints = method.lint_levels().into_iter().chain(argument.lint_levels());
        argument_types.extend(quote! {
            #(#lints)*
            impl #shared::Argument<#index> for #message {
                type Value = #ty;
            }
        });
        encode.extend(quote!(#shared::#function(&mut #fields_out, #name, &self.#ident)?;));
        fields.extend(quote!(#ident: #value,));
    }

    let (serialize, deserialize) = if arguments.is_empty() {
        (
            quote!(#serde::Serializer::serialize_unit_struct(#serializer, #struct_name)),
            quote!(#shared::deserialize_none(#struct_name, #deserializer).map(|()| Self)),
        )
    } else {
        argument_types.extend(quote! {
            impl #shared::Arguments<#count> for #message {
                const NAME: &'static ::core::primitive::str = #struct_name;
                const NAMES: &'static [&'static ::core::primitive::str; #count] = &[#(#names),*];

                fn from_values(#values: <Self as #shared::Types<#count>>::Values) -> Self {
                    Self { #fields }
                }

                fn into_values(self) -> <Self as #shared::Types<#count>>::Values {
                    (#values_out)
                }
            }
        });
        let serialize = quote! {
            let mut #fields_out = #serde::Serializer::serialize_struct(#serializer, #struct_name, #count)?;
            #encode
            #serde::ser::SerializeStruct::end(#fields_out)
        };
        (serialize, quote!(#shared::deserialize::<Self, #count, _>(#deserializer)))
    };
    quote! {
        #argument_types

        #[automatically_derived]
        impl #serde::Serialize for #message {
            fn serialize<S: #serde::Serializer>(&self, #serializer: S) -> ::core::result::Result<S::Ok, S::Error> {
                #serialize
            }
        }

        #[automatically_derived]
        impl<'de> #serde::Deserialize<'de> for #message {
            fn deserialize<D: #serde::Deserializer<'de>>(
                #deserializer: D,
            ) -> ::core::result::Result<Self, D::Error> {
                #deserialize
            }
        }
    }
}
