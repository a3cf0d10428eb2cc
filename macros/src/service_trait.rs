//! The trait that the worker implements.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::{TraitItem, TypeParamBound, parse_quote};

use crate::definition::Definition;
use crate::method::Method;

pub(crate) fn expand(definition: &Definition) -> TokenStream {
    let handler = definition.handler();
    let mut item = definition.item.clone();
    item.supertraits.extend::<[TypeParamBound; 3]>([
        parse_quote!(::core::marker::Send),
        parse_quote!(::core::marker::Sync),
        parse_quote!('static),
    ]);
    item.items = definition.methods.iter().map(|method| TraitItem::Verbatim(declaration(method))).collect();
    let doc = format!("Wraps this implementation in a [`{handler}`], which answers the service's messages.");
    item.items.push(parse_quote! {
        #[doc = #doc]
        fn into_service(self) -> #handler<Self>
        where
            Self: ::core::marker::Sized,
        {
            #handler::new(self)
        }
    });
    item.into_token_stream()
}

/// Declares a method as `fn` that returns `impl Future + Send`.
///
/// The handler needs `Send` futures, which `async fn` in a trait does not promise. Implementations
/// can still use `async fn`.
fn declaration(method: &Method) -> TokenStream {
    let Method { attributes, options, output, .. } = method;
    let (call, output) = (method.declaration(), &output.ty);
    let output = match (options.blocking.as_ref(), &method.output.item) {
        (_, Some(_)) => quote_spanned!(method.span()=> #output + ::core::marker::Send),
        (Some(_), None) => quote!(#output),
        (None, None) => quote_spanned! {method.span()=>
            impl ::core::future::Future<Output = #output> + ::core::marker::Send
        },
    };
    quote_spanned!(method.span()=> #(#attributes)* fn #call -> #output;)
}
