//! Signature of an offloaded function.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote};
use syn::{FnArg, Pat, PatType, Safety, Signature, Type, parse_quote};

use crate::errors::Errors;
use crate::method::Output;
use crate::names::{generated_at, local};
use crate::signature::output;
use crate::type_check::{self, Position};

/// Maximum number of arguments, which `Arguments` of the runtime supports.
const MAX_ARGUMENTS: usize = 12;

pub(super) struct OffloadSignature {
    /// Name in generated code, and type of each argument.
    arguments: Vec<(Ident, Type)>,
    pub(super) output: Output,
}

impl OffloadSignature {
    /// Reads a signature. Adds an error for each part that cannot be called in another process.
    pub(super) fn read(sig: &Signature, errors: &mut Errors) -> Self {
        check(sig, errors);
        let arguments = sig.inputs.iter().enumerate();
        let arguments = arguments.filter_map(|(index, input)| argument(index, input, errors)).collect();
        let output = if type_check::has_stream(&sig.output) {
            let advice = "write it as a method of a `#[service]`";
            errors
                .at(&sig.output, format!("a function that answers with a stream is not offloaded: {advice}"));
            Output { ty: parse_quote!(()), reply: parse_quote!(()), error: None, item: None }
        } else {
            output(&sig.output, errors)
        };
        Self { arguments, output }
    }

    pub(super) fn names(&self) -> Vec<&Ident> {
        self.arguments.iter().map(|(name, _)| name).collect()
    }

    pub(super) fn types(&self) -> Vec<&Type> {
        self.arguments.iter().map(|(_, ty)| ty).collect()
    }

    /// Tuple of the arguments.
    pub(super) fn values(&self) -> TokenStream {
        let names = self.names();
        quote!((#(#names,)*))
    }

    /// Type of an item of `Pool::map`: the one argument, or a tuple of the arguments.
    pub(super) fn item_type(&self) -> TokenStream {
        match &self.types()[..] {
            [ty] => ty.to_token_stream(),
            types => quote!((#(#types),*)),
        }
    }

    /// Tuple of the arguments in an item.
    pub(super) fn values_of_item(&self, item: &Ident) -> TokenStream {
        if self.arguments.len() == 1 { quote!((#item,)) } else { item.to_token_stream() }
    }
}

fn check(sig: &Signature, errors: &mut Errors) {
    if let Some(receiver) = sig.receiver() {
        let advice = "make it a function that takes its data as arguments";
        errors.at(receiver, format!("a method depends on a value in this process: {advice}"));
    }
    if let Safety::Unsafe(token) = &sig.safety {
        let advice = "offload a safe function that calls it";
        errors.at(
            token,
            format!("the caller in another process cannot keep the promises of `unsafe`: {advice}"),
        );
    }
    if let Some(variadic) = &sig.variadic {
        errors.at(variadic, "an offloaded function has a fixed number of arguments: take a `Vec`");
    }
    let advice = "offload a function with concrete types that calls it";
    let problem = "a worker finds the function by its name, and so it has one type for each argument";
    if !sig.generics.params.is_empty() {
        errors.at(&sig.generics.params, format!("{problem}: {advice}"));
    }
    if let Some(clause) = &sig.generics.where_clause {
        errors.at(clause, format!("{problem}: {advice}"));
    }
    if sig.inputs.len() > MAX_ARGUMENTS {
        let advice = "group them in a struct";
        errors.at(
            &sig.inputs,
            format!("an offloaded function has at most {MAX_ARGUMENTS} arguments: {advice}"),
        );
    }
}

/// Reads an argument. One that is no plain name gets a name of its own in the calls.
fn argument(index: usize, input: &FnArg, errors: &mut Errors) -> Option<(Ident, Type)> {
    let FnArg::Typed(PatType { attrs, pat, ty, .. }) = input else { return None };
    for attribute in attrs.iter().filter(|attribute| attribute.path().is_ident("cfg")) {
        let advice = "put `#[cfg]` on two functions that differ";
        errors.at(attribute, format!("both processes must have the same arguments: {advice}"));
    }
    type_check::check(ty, Position::Argument, errors);
    let name = match &**pat {
        Pat::Ident(pat) if pat.subpat.is_none() => {
            let mut name = pat.ident.clone();
            name.set_span(generated_at(name.span()));
            name
        }
        _ => local(format_args!("argument{index}")),
    };
    Some((name, (**ty).clone()))
}
