//! `#[test]`: generates a test from a function whose worker is the test program itself.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{FnArg, ItemFn};

use crate::attributes::TestOptions;
use crate::errors::Errors;
use crate::main_fn;
use crate::names::{generated_at, local};

pub(crate) fn expand(options: TokenStream, item: TokenStream) -> syn::Result<TokenStream> {
    let test: ItemFn = syn::parse2(item).map_err(|error| {
        syn::Error::new(error.span(), "`#[isolated_workers::test]` belongs on a function")
    })?;
    let mut errors = Errors::default();
    let options = errors.or_default(TestOptions::parse(options));
    check(&test, &options, &mut errors);
    match errors.finish(generate(&test, &options)) {
        Err(error) if test.sig.ident == "main" => Ok(main_fn::failed(&error)),
        result => result,
    }
}

fn check(test: &ItemFn, options: &TestOptions, errors: &mut Errors) {
    let ItemFn { attrs, sig, .. } = test;
    let is_test = |path: &syn::Path| path.segments.last().is_some_and(|last| last.ident == "test");
    for attribute in attrs.iter().filter(|attribute| is_test(attribute.path())) {
        errors.at(attribute, "`#[isolated_workers::test]` makes this a test: remove the other attribute");
    }
    if !sig.generics.params.is_empty() {
        errors.at(&sig.generics, "a test cannot have generic parameters: remove them");
    }
    let worker = "the `Program` of the worker, or a ready `Worker` or `Pool`";
    match (sig.inputs.len(), &options.serve) {
        (0, None) => {}
        (0, Some(serve)) => {
            let advice = format!("add {worker}, as in `{}(worker: Worker)`", sig.ident);
            errors.at(serve, format!("a test that serves starts the worker by its argument: {advice}"));
        }
        (1, _) if sig.receiver().is_some() => {
            errors.at(&sig.inputs, "a test is no method: move it out of the `impl`");
        }
        (1, None) => {
            let advice = "name it, as in `#[isolated_workers::test(serve = MyCalculator.into_service())]`";
            errors.at(
                &sig.inputs,
                format!("the argument is a worker, and there is nothing to serve: {advice}"),
            );
        }
        (1, Some(_)) => {}
        _ => errors.at(&sig.inputs, format!("a test takes at most one argument, {worker}")),
    }
}

fn generate(test: &ItemFn, options: &TestOptions) -> TokenStream {
    let ItemFn { attrs, vis, sig, block, .. } = test;
    let (krate, ident, output) = (options.krate(), &sig.ident, &sig.output);
    let is_main = ident == "main";
    let attribute = (!is_main).then(|| quote!(#[::core::prelude::v1::test]));
    let (entry, kind) = (local("ENTRY"), if is_main { quote!(of_main) } else { quote!(of_test) });
    let (run, run_with_worker) = match sig.asyncness {
        Some(_) => (quote!(run_test), quote!(run_test_with_worker)),
        None => (quote!(run_blocking_test), quote!(run_blocking_test_with_worker)),
    };
    let run = match (&options.serve, sig.inputs.first()) {
        (Some(serve), Some(FnArg::Typed(argument))) => {
            let codec = options.codec.as_ref().map_or_else(
                || quote!(<#krate::codec::DefaultCodec as ::core::default::Default>::default()),
                |codec| quote!(#codec),
            );
            // The compiler reports a type that does not fit at its place.
            let serve = quote_spanned!(generated_at(serve.span())=> || async { #serve });
            let (ty, span, worker) = (&argument.ty, generated_at(argument.ty.span()), local("worker"));
            let test = quote_spanned!(span=> |#worker: #ty| #ident(#worker));
            quote!(#run_with_worker(#entry, #serve, #codec, #test))
        }
        _ => quote!(#run(#entry, #ident)),
    };
    quote! {
        #(#attrs)*
        #attribute
        #vis fn #ident() #output {
            #[allow(clippy::unused_async)]
            #sig #block

            const #entry: #krate::__private::TestEntry = #krate::__private::TestEntry::#kind(
                ::core::concat!(::core::module_path!(), "::", ::core::stringify!(#ident))
            );
            #krate::__register_test_entry!(#entry);
            #krate::__private::#run
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::errors::assert_refused;
    use crate::token_text;

    fn expanded(options: &str, item: &str) -> syn::Result<String> {
        let parse = |text: &str| text.parse::<TokenStream>().expect("tokens");
        expand(parse(options), parse(item)).map(token_text::of_tokens)
    }

    #[track_caller]
    fn refused(options: &str, item: &str, expected: &[(&str, &str)]) {
        assert_refused(expanded(options, item), expected);
    }

    #[test]
    fn a_test_keeps_its_attributes_and_its_return_type() {
        let text = expanded("serve = s", "#[ignore] async fn a(w: Worker) -> Result<(), E> { b }").unwrap();
        let signature = "#[ignore]#[::core::prelude::v1::test]fn a()->Result<(), E>{";
        assert!(text.starts_with(signature), "{text}");
        assert!(
            text.contains("run_test_with_worker(__ENTRY, ||async{s}") && text.contains("|__worker:Worker|"),
            "{text}"
        );
    }

    #[test]
    fn a_plain_function_runs_without_a_runtime() {
        let text = expanded("serve = s", "fn a(w: Worker) { b }").unwrap();
        assert!(text.contains("run_blocking_test_with_worker(__ENTRY, ||async{s}"), "{text}");
        let text = expanded("", "fn a() { b }").unwrap();
        assert!(text.contains("run_blocking_test(__ENTRY, a)"), "{text}");
    }

    #[test]
    fn a_main_is_no_test() {
        let text = expanded("crate = iw", "async fn main() {}").unwrap();
        assert!(
            text.starts_with("fn main(){") && text.contains("iw::__private::TestEntry::of_main"),
            "{text}"
        );
        let text = expanded("serve = s", "async fn main() {}").unwrap();
        assert!(text.contains("compile_error") && text.ends_with("fn main(){}"), "{text}");
    }

    #[test]
    fn mistakes_are_refused() {
        refused("", "struct Test;", &[("struct", "belongs on a function")]);
        refused("", "async fn a(w: Worker) {}", &[("w: Worker", "`#[isolated_workers::test(serve = ")]);
        refused("serve = s", "async fn a() {}", &[("s", "as in `a(worker: Worker)`")]);
        refused("serve = s", "async fn a(&self) {}", &[("&self", "move it out of the `impl`")]);
        refused(
            "workers = 3",
            "#[tokio::test] fn a<T>(b: T, c: T) {}",
            &[
                ("workers", "unknown key `workers`: use one of `serve`, `codec`, `crate`"),
                ("#[tokio::test]", "remove the other attribute"),
                ("<T>", "remove them"),
                ("b: T, c: T", "at most one argument, the `Program`"),
            ],
        );
    }
}
