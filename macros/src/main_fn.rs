//! `#[main]`: generates a worker's `main` from an `async fn main` that creates its service.

use std::mem;

use proc_macro2::TokenStream;
use quote::quote;
use syn::{
    FnArg, GenericArgument, ItemFn, PatType, Path, PathArguments, ReturnType, Type, TypeImplTrait,
    TypeParamBound, parse_quote,
};

use crate::attributes::MainOptions;
use crate::errors::Errors;
use crate::names::local;

pub(crate) fn expand(options: TokenStream, item: TokenStream) -> syn::Result<TokenStream> {
    let main: ItemFn = syn::parse2(item)
        .map_err(|error| syn::Error::new(error.span(), "`#[main]` belongs on `async fn main`"))?;
    let mut errors = Errors::default();
    let options = errors.or_default(MainOptions::parse(options));
    check(&main, &mut errors);
    let output = MainOutput::read(&main, &options.krate()).map_err(|error| errors.push(error)).ok();
    Ok(errors.finish(output)?.map(|output| worker(&main, &output, &options)).unwrap_or_default())
}

/// Generates the error and an empty `main`, so that the compiler does not also report a missing
/// `main`.
pub(crate) fn failed(error: &syn::Error) -> TokenStream {
    let error = error.to_compile_error();
    quote!(#error fn main() {})
}

fn check(main: &ItemFn, errors: &mut Errors) {
    let sig = &main.sig;
    if sig.ident != "main" {
        errors.at(&sig.ident, "a program starts at `main`: call this function `main`");
    }
    if sig.asyncness.is_none() {
        errors.at(sig.fn_token, "a service is created and served by async code: write `async fn main`");
    }
    if sig.inputs.len() > 1 {
        let advice = "make them fields of one struct, or read command-line arguments with `std::env::args`";
        errors.at(&sig.inputs, format!("`main` takes at most one argument, the startup data: {advice}"));
    }
    if !sig.generics.params.is_empty() {
        errors.at(&sig.generics, "`main` cannot have generic parameters: remove them");
    }
}

/// Return type of the `async fn main`.
struct MainOutput {
    /// Trait of the service.
    service: Path,
    /// Return type of the generated `main`: the written type, with `served` instead of the service.
    ty: Type,
    /// `true` if the written type is a `Result`.
    is_fallible: bool,
    /// Result of serving: `Result<(), Error>`.
    served: Type,
}

impl MainOutput {
    fn read(main: &ItemFn, krate: &Path) -> syn::Result<Self> {
        const ADVICE: &str = "the return type names no service: return `impl Calculator` or \
                              `Result<impl Calculator, E>`, with the trait of your service";
        let ReturnType::Type(_, written) = &main.sig.output else {
            return Err(syn::Error::new(main.sig.ident.span(), ADVICE));
        };
        let served: Type = parse_quote!(::core::result::Result<(), #krate::Error>);
        let mut ty = (**written).clone();
        let service = service(&mut ty).and_then(|service| match mem::replace(service, served.clone()) {
            Type::ImplTrait(service) => first_trait(service),
            _ => None,
        });
        let service = service.ok_or_else(|| syn::Error::new_spanned(written, ADVICE))?;
        Ok(Self { service, ty, is_fallible: !matches!(**written, Type::ImplTrait(_)), served })
    }
}

/// Returns the service in a return type: the type itself, or the first argument of a `Result` or of
/// an alias such as `io::Result`.
fn service(ty: &mut Type) -> Option<&mut Type> {
    let Type::Path(result) = ty else { return Some(ty) };
    let last = result.path.segments.last_mut().filter(|last| last.ident == "Result")?;
    match &mut last.arguments {
        PathArguments::AngleBracketed(arguments) => match arguments.args.first_mut()? {
            GenericArgument::Type(ty) => Some(ty),
            _ => None,
        },
        _ => None,
    }
}

fn first_trait(service: TypeImplTrait) -> Option<Path> {
    service.bounds.into_iter().find_map(|bound| match bound {
        TypeParamBound::Trait(bound) => Some(bound.path),
        _ => None,
    })
}

fn worker(main: &ItemFn, output: &MainOutput, options: &MainOptions) -> TokenStream {
    let ItemFn { attrs, vis, sig, block, .. } = main;
    let krate = options.krate();
    let (ty, body) = match sig.inputs.first() {
        Some(FnArg::Typed(PatType { ty: data, .. })) => (&output.served, with_data(data, output, options)),
        _ => (&output.ty, without_data(output, options)),
    };
    quote! {
        #(#attrs)*
        #vis fn main() -> #ty {
            #[allow(clippy::unused_async)]
            #sig #block

            #krate::__private::run_worker(async { #body })
        }
    }
}

/// Body for a `main` without startup data: creates the service first, and then serves it.
fn without_data(output: &MainOutput, options: &MainOptions) -> TokenStream {
    let MainOutput { service, is_fallible, .. } = output;
    let (krate, codec) = (options.krate(), options.codec.iter());
    let (made, error) = (local("service"), local("error"));
    // Qualified by the trait's path, so that the trait need not be imported.
    let serve = quote!(#krate::serve(<_ as #service>::into_service(#made)) #(.codec(#codec))*.await);
    if *is_fallible {
        quote! {
            match main().await {
                ::core::result::Result::Ok(#made) => ::core::result::Result::Ok(#serve),
                ::core::result::Result::Err(#error) => ::core::result::Result::Err(#error),
            }
        }
    } else {
        quote! {
            let #made = main().await;
            #serve
        }
    }
}

/// Body for a `main` with startup data: it runs when the host has sent the data.
fn with_data(data: &Type, output: &MainOutput, options: &MainOptions) -> TokenStream {
    let MainOutput { service, is_fallible, .. } = output;
    let (krate, codec) = (options.krate(), options.codec.iter());
    let (startup, worker) = (local("data"), local("service"));
    let made = if *is_fallible {
        quote!(main(#startup).await.map(|#worker| <_ as #service>::into_service(#worker)))
    } else {
        quote! {
            ::core::result::Result::<_, ::core::convert::Infallible>::Ok(
                <_ as #service>::into_service(main(#startup).await)
            )
        }
    };
    quote!(#krate::serve_with(|#startup: #data| async move { #made }) #(.codec(#codec))*.await)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::errors::assert_refused;

    fn expanded(options: &str, item: &str) -> syn::Result<String> {
        let parse = |text: &str| text.parse::<TokenStream>().expect("tokens");
        expand(parse(options), parse(item)).map(crate::token_text::of_tokens)
    }

    #[track_caller]
    fn refused(options: &str, item: &str, expected: &[(&str, &str)]) {
        assert_refused(expanded(options, item), expected);
    }

    #[test]
    fn the_return_type_names_the_served_trait() {
        let cases = [
            (
                "impl Calculator",
                "->::core::result::Result<(), ::isolated_workers::Error>",
                "<_ as Calculator>",
            ),
            (
                "impl api::Calc + 'static",
                "->::core::result::Result<(), ::isolated_workers::Error>",
                "<_ as api::Calc>",
            ),
            (
                "Result<impl A, E>",
                "->Result<::core::result::Result<(), ::isolated_workers::Error>, E>",
                "<_ as A>",
            ),
            (
                "io::Result<impl A>",
                "->io::Result<::core::result::Result<(), ::isolated_workers::Error>>",
                "<_ as A>",
            ),
        ];
        for (output, expected, service) in cases {
            let text = expanded("", &format!("async fn main() -> {output} {{ x }}")).expect("a worker");
            assert!(text.contains(expected), "{text}");
            assert!(text.contains(service), "{text}");
        }
    }

    #[test]
    fn codec_and_crate_options_are_used() {
        let text =
            expanded("codec = Postcard, crate = iw", "async fn main() -> impl A { x }").expect("a worker");
        assert!(
            text.contains("iw::serve(<_ as A>::into_service(__service)).codec(Postcard).await"),
            "{text}"
        );
    }

    #[test]
    fn an_argument_is_the_startup_data() {
        let cases = [
            ("impl A", "<_ as A>::into_service(main(__data).await)"),
            ("Result<impl A, E>", "main(__data).await.map(|__service|<_ as A>::into_service(__service))"),
        ];
        for (output, made) in cases {
            let main = format!("async fn main(Config {{ digits }}: Config) -> {output} {{ x }}");
            let text = expanded("codec = Cbor", &main).expect("a worker");
            assert!(text.contains("serve_with(|__data:Config|"), "{text}");
            assert!(text.contains(made), "{text}");
            let served = "fn main()->::core::result::Result<(), ::isolated_workers::Error>";
            assert!(text.contains(served) && text.contains(".codec(Cbor).await"), "{text}");
        }
    }

    #[test]
    fn mistakes_are_refused() {
        refused("", "struct Main;", &[("struct", "belongs on `async fn main`")]);
        refused("", "async fn main() {}", &[("main", "return `impl Calculator`")]);
        refused("", "async fn main() -> My { My }", &[("My", "return `impl Calculator`")]);
        refused(
            "",
            "async fn main() -> Option<impl A> { x }",
            &[("Option<impl A>", "return `impl Calculator`")],
        );
        refused(
            "workers = 3",
            "fn start(a: u8, b: u8) -> impl A { x }",
            &[
                ("workers", "unknown key `workers`: use one of `codec`, `crate`"),
                ("start", "call this function `main`"),
                ("fn", "write `async fn main`"),
                ("a: u8, b: u8", "`std::env::args`"),
            ],
        );
    }
}
