//! Message of a method: the struct of its arguments, and its `Message` implementation.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::LitStr;
use syn::ext::IdentExt;

use crate::attributes::MessageOptions;
use crate::definition::Definition;
use crate::duration;
use crate::method::{Argument, Method};
use crate::scope::{Scope, relocate, relocate_path};
use crate::{token_text, type_check};

pub(crate) fn expand(definition: &Definition, method: &Method, scope: &mut Scope) -> TokenStream {
    let structure = structure(definition, method, scope);
    let implementation = implementation(definition, method, scope);
    quote!(#structure #implementation)
}

fn structure(definition: &Definition, method: &Method, scope: &mut Scope) -> TokenStream {
    let Method { message, arguments, .. } = method;
    let visibility = definition.visibility_in_module();
    let krate = definition.krate_in_module();
    // The compiler reports an argument without serde support at these derives.
    let serde = located(quote!(#krate::__private::serde), method.ident.span());
    let serde_path = token_text::of_tokens(&serde);
    let derives = definition.derives.iter().map(relocate_path);
    let docs = docs(definition, method);
    let fields: Vec<TokenStream> =
        arguments.iter().map(|argument| field(definition, method, argument, scope)).collect();
    let body = if fields.is_empty() { quote!(;) } else { quote!({ #(#fields),* }) };
    quote_spanned! {method.span()=>
        #docs
        #[derive(#serde::Serialize, #serde::Deserialize #(, #derives)*)]
        #[serde(crate = #serde_path)]
        #visibility struct #message #body
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

/// Returns the method's documentation, or a default sentence.
fn docs(definition: &Definition, method: &Method) -> TokenStream {
    let docs: TokenStream = method.docs().map(ToTokens::to_token_stream).collect();
    if !docs.is_empty() {
        return docs;
    }
    let (service, method) = (definition.ident(), &method.ident);
    let doc = format!("Message of [`{service}::{method}`](super::{service}::{method}).");
    quote!(#[doc = #doc])
}

fn field(definition: &Definition, method: &Method, argument: &Argument, scope: &mut Scope) -> TokenStream {
    let Argument { ident, ty, attributes } = argument;
    let visibility = definition.visibility_in_module();
    let ty = scope.resolve(ty, method.alias(ident));
    let krate = definition.krate_in_module();
    let with = if attributes.iter().any(|attr| attr.path().is_ident("serde")) {
        None
    } else if type_check::is_byte_vec(&argument.ty) {
        Some(quote!(#krate::__private::bytes))
    } else if type_check::is_named_bytes(&argument.ty) {
        Some(quote!(#krate::__private::maybe_bytes))
    } else {
        None
    };
    let as_bytes = with.map(|with| {
        // The compiler reports a type that does not fit at the argument.
        let span = Span::call_site().located_at(argument.span());
        let with = LitStr::new(&token_text::of_tokens(with), span);
        quote!(#[serde(with = #with)])
    });
    let attributes = attributes.iter().map(|attribute| relocate(attribute, 1));
    let doc = (!argument.is_documented()).then(|| {
        let doc = format!("Argument `{}`.", ident.unraw());
        quote_spanned!(argument.span()=> #[doc = #doc])
    });
    quote_spanned!(argument.span()=> #doc #as_bytes #(#attributes)* #visibility #ident: #ty)
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
    quote_spanned! {method.span()=>
        impl #krate::Message for #message {
            const NAME: &'static str = #name;
            type Reply = #reply;
            type Error = #error;
            #constants
        }
    }
}

/// Generates the constants that differ from their default.
fn constants(options: &MessageOptions) -> TokenStream {
    let oneway = options.oneway.iter().map(|_| {
        quote! { const ONEWAY: bool = true; }
    });
    let timeout = options.timeout.iter().map(|timeout| {
        let timeout = duration::expression(*timeout);
        quote! {
            const TIMEOUT: ::core::option::Option<::core::time::Duration> = ::core::option::Option::Some(#timeout);
        }
    });
    let retry = options.retry.iter().map(|(times, _)| {
        quote! { const RETRY: u32 = #times; }
    });
    let idempotent = options.idempotent.iter().map(|_| quote! { const IDEMPOTENT: bool = true; });
    oneway.chain(timeout).chain(retry).chain(idempotent).collect()
}
