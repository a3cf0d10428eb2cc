//! `#[offload]`: keeps a function, and adds its calls in worker processes.
//!
//! The calls are associated functions of an empty enum with the function's name: types and
//! functions have different namespaces. Unlike a module, it resolves the types of the arguments in
//! the scope of the function, which may itself be in a function.

pub(crate) mod closure;
mod signature;

use proc_macro2::{Ident, Literal, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::{Attribute, Item, ItemFn};

use self::signature::OffloadSignature;
use crate::attribute_parts;
use crate::attributes::OffloadOptions;
use crate::errors::Errors;
use crate::generic_names::GenericNames;
use crate::message;
use crate::names::{generated_at, local};

/// Expands the attribute. With an error, the function stays as it is, so that the compiler does not
/// also report its callers.
pub(crate) fn expand(options: TokenStream, item: TokenStream) -> TokenStream {
    let function = match syn::parse2(item.clone()) {
        Ok(Item::Fn(function)) => Ok(function),
        Ok(other) => Err(syn::Error::new_spanned(other, "`#[offload]` belongs on a function")),
        Err(error) => Err(error),
    };
    let calls = function.and_then(|function| {
        let mut errors = Errors::default();
        let options = errors.or_default(OffloadOptions::parse(options));
        let name = function.sig.ident.unraw().to_string();
        let calls = Calls::read(function, options, &name, &mut errors);
        errors.finish(calls)
    });
    let calls = calls.map_or_else(|error| error.to_compile_error(), |calls| calls.generate());
    quote!(#item #calls)
}

/// Function, and what its calls are generated from.
struct Calls {
    function: ItemFn,
    signature: OffloadSignature,
    options: OffloadOptions,
    /// Name of its message, within its module.
    name: String,
    generic_names: GenericNames,
}

impl Calls {
    fn read(function: ItemFn, options: OffloadOptions, name: &str, errors: &mut Errors) -> Self {
        let mut generic_names = GenericNames::default();
        let ItemFn { vis, sig, .. } = &function;
        generic_names.reserve(quote!(#vis #sig));
        let signature = OffloadSignature::read(sig, errors);
        Self { function, signature, options, name: name.to_owned(), generic_names }
    }

    fn generate(&self) -> TokenStream {
        let (offloaded, calls) = (self.offloaded(), self.calls());
        quote!(#calls #offloaded)
    }

    /// Name of the type that implements `Offloaded`. Unlike the enum, it is private: a public
    /// function may have a private type in its signature.
    fn marker(&self) -> Ident {
        format_ident!("__offload_{}", self.function.sig.ident.unraw(), span = self.span())
    }

    fn span(&self) -> proc_macro2::Span {
        generated_at(self.function.sig.ident.span())
    }

    /// Conditions and lint levels of the function, for each generated item.
    fn attributes(&self) -> TokenStream {
        let (attrs, conditions) = (&self.function.attrs, self.conditions());
        let lints = attribute_parts::lint_levels(attrs);
        let is_deprecated = attribute_parts::parts(attrs).iter().any(|part| part.is(&["deprecated"]));
        let deprecated = is_deprecated.then(|| quote!(, deprecated));
        quote!(#(#conditions)* #(#lints)* #[allow(dead_code, non_camel_case_types #deprecated)])
    }

    fn conditions(&self) -> impl Iterator<Item = &Attribute> {
        self.function.attrs.iter().filter(|attribute| attribute.path().is_ident("cfg"))
    }

    /// Generates the enum with the calls.
    fn calls(&self) -> TokenStream {
        let Self { function: ItemFn { vis, sig, attrs, .. }, signature, options, .. } = self;
        let (krate, attributes, marker) = (options.krate(), self.attributes(), self.marker());
        let (names, types, values) = (signature.names(), signature.types(), signature.values());
        let mut ident = sig.ident.clone();
        ident.set_span(self.span());
        let (service_type, service) = (self.generic_names.unused("S"), local("service"));
        let is_service = quote!(#krate::__private::offload::FunctionService);
        let (reply, error) = (&signature.output.reply, self.call_error());
        let result = quote!(::core::result::Result<#reply, #error>);
        let future = quote! {
            impl ::core::future::Future<Output = #result> + ::core::marker::Send
        };
        let shared = quote!(#krate::__private::offload);
        let deprecation = attribute_parts::parts(attrs).into_iter().filter(|part| part.is(&["deprecated"]));
        let deprecation: Vec<_> = deprecation.collect();
        let (item, item_type) = (local("item"), signature.item_type());
        let (item_values, count) = (signature.values_of_item(&item), self.count());
        let name = sig.ident.unraw().to_string();
        let doc = format!("Calls of the function [`{name}`](fn@{name}) in worker processes.");
        let [on, run, blocking, task] = docs(&name);
        quote_spanned! {self.span()=>
            #[doc = #doc]
            #attributes
            #[derive(::core::fmt::Debug)]
            #vis enum #ident {}

            #attributes
            impl #ident {
                #[doc = #on]
                #(#deprecation)*
                #vis fn on<#service_type: #is_service>(#service: &#service_type #(, #names: #types)*) -> #future {
                    #shared::on::<#marker, #count, #service_type, #error>(#service, #values)
                }

                #[doc = #run]
                #(#deprecation)*
                #vis fn run(#(#names: #types),*) -> #future {
                    #shared::run::<#marker, #count, #error>(#values)
                }

                #[doc = #blocking]
                #(#deprecation)*
                #vis fn blocking(#(#names: #types),*) -> #result {
                    #shared::blocking::<#marker, #count, #error>(#values)
                }

                #[doc = #task]
                #(#deprecation)*
                #vis fn task<#service_type: #is_service>(#service: #service_type, #item: #item_type) -> #future {
                    #shared::task::<#marker, #count, #service_type, #error>(#service, #item_values)
                }
            }
        }
    }

    /// Number of arguments.
    fn count(&self) -> Literal {
        Literal::usize_unsuffixed(self.signature.types().len())
    }

    fn call_error(&self) -> TokenStream {
        let krate = self.options.krate();
        match &self.signature.output.error {
            Some(error) => quote!(#krate::CallError<#error>),
            None => quote!(#krate::Error),
        }
    }

    /// Generates the type that stands for the function, and its entry in the registry.
    fn offloaded(&self) -> TokenStream {
        let Self { function, signature, options, name, .. } = self;
        let (krate, attributes, marker) = (options.krate(), self.attributes(), self.marker());
        let (function, output) = (&function.sig, &signature.output);
        let (ident, reply) = (&function.ident, &output.reply);
        let error: TokenStream = match &output.error {
            Some(error) => quote!(#error),
            None => quote!(#krate::error::Never),
        };
        let types = signature.types();
        let indices = (0..types.len()).map(Literal::usize_unsuffixed);
        let constants = message::constants(&options.message);
        let (codec, request, count) = (local("codec"), local("request"), self.count());
        let variables: Vec<Ident> =
            (0..types.len()).map(|index| local(format_args!("argument{index}"))).collect();
        let call = quote!(#ident(#(#variables),*));
        let (answer, run) = match (&function.asyncness, &output.error) {
            (None, None) => {
                (quote!(answer_blocking::<Self, #count>), quote!(::core::result::Result::Ok(#call)))
            }
            (None, Some(_)) => (quote!(answer_blocking::<Self, #count>), call),
            (Some(_), None) => (
                quote!(answer::<Self, #count, _>),
                quote!(async move { ::core::result::Result::Ok(#call.await) }),
            ),
            (Some(_), Some(_)) => (quote!(answer::<Self, #count, _>), call),
        };
        let shared = quote!(#krate::__private::offload);
        let conditions = self.conditions();
        quote_spanned! {self.span()=>
            #attributes
            #[doc(hidden)]
            enum #marker {}

            #(
                #attributes
                impl #shared::Argument<#indices> for #marker {
                    type Value = #types;
                }
            )*

            #attributes
            impl #shared::Offloaded<#count> for #marker {
                const NAME: &'static ::core::primitive::str =
                    ::core::concat!(::core::module_path!(), "::", #name);
                const PLACE: &'static ::core::primitive::str =
                    ::core::concat!(::core::file!(), ":", ::core::line!(), ":", ::core::column!());
                type Reply = #reply;
                type Error = #error;
                #constants

                fn answer(
                    #codec: &#shared::FunctionCodec,
                    #request: #krate::protocol::Request,
                ) -> #krate::service::handler::Answer<'_> {
                    #shared::#answer(#codec, #request, |(#(#variables,)*)| #run)
                }
            }

            #(#conditions)*
            #krate::__private::inventory::submit!(#shared::Function::of::<#marker, #count>());
        }
    }
}

/// Documentation of the calls.
fn docs(name: &str) -> [String; 4] {
    const ERRORS: &str = "\n\n# Errors\nThe error of the function itself, or that of the call: for example, the worker \
                          crashed or a timeout expired.";
    [
        format!(
            "Calls [`{name}`](fn@{name}) in a worker or a pool that was started with `offload::program()`.{ERRORS}"
        ),
        format!("Calls [`{name}`](fn@{name}) in the default pool, `offload::pool()`.{ERRORS}"),
        format!(
            "Calls [`{name}`](fn@{name}) in the default pool, and blocks this thread until it has returned.{ERRORS}"
        ),
        format!(
            "Like [`on`](Self::on), for `Pool::map`: the item is the argument, or a tuple of the arguments.{ERRORS}"
        ),
    ]
}
