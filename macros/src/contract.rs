//! The trait as the worker implements it.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::{TraitItem, TypeParamBound, parse_quote};

use crate::method::Method;
use crate::service::Definition;

pub(crate) fn expand(definition: &Definition) -> TokenStream {
    let server = definition.server();
    let mut contract = definition.contract.clone();
    contract.supertraits.extend::<[TypeParamBound; 3]>([
        parse_quote!(::core::marker::Send),
        parse_quote!(::core::marker::Sync),
        parse_quote!('static),
    ]);
    contract.items =
        definition.methods.iter().map(|method| TraitItem::Verbatim(declaration(method))).collect();
    let doc =
        format!("Makes this implementation something to serve: the [`{server}`] that answers its messages.");
    contract.items.push(parse_quote! {
        #[doc = #doc]
        #[allow(dead_code)]
        fn into_service(self) -> #server<Self>
        where
            Self: ::core::marker::Sized,
        {
            #server::new(self)
        }
    });
    contract.into_token_stream()
}

/// `async fn` in a public trait says nothing about `Send`, which the server needs; implementations can be `async fn`.
fn declaration(method: &Method) -> TokenStream {
    let Method { attributes, options, output, .. } = method;
    let (call, output) = (method.declaration(), &output.ty);
    let output = match options.blocking {
        Some(_) => quote!(#output),
        None => quote_spanned! {method.span()=>
            impl ::core::future::Future<Output = #output> + ::core::marker::Send
        },
    };
    quote_spanned!(method.span()=> #(#attributes)* fn #call -> #output;)
}
