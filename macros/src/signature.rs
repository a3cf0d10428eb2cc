//! Reads signatures, and says what is wrong with those that no message can stand for.

use syn::{
    Attribute, FnArg, GenericArgument, Generics, Ident, Pat, PatType, PathArguments, Receiver, ReceiverKind,
    ReturnType, Safety, Signature, TraitItemFn, Type, parse_quote,
};

use crate::attributes::MessageOptions;
use crate::errors::Errors;
use crate::method::{Argument, Output};
use crate::types::{self, Place};

/// Names that the client or the trait itself needs.
const RESERVED: [&str; 3] = ["new", "service", "into_service"];

/// Adds an error for everything that is wrong with a method, apart from the types of its arguments and its reply.
pub(crate) fn check(item: &TraitItemFn, options: &MessageOptions, errors: &mut Errors) {
    let TraitItemFn { attrs, modifiers, sig, default, .. } = item;
    refuse_cfg(attrs, errors);
    if let Some(token) = &modifiers.defaultness {
        errors.at(token, "a service's method cannot be `default`: remove it");
    }
    check_qualifiers(sig, options, errors);
    check_generics(&sig.generics, errors);
    if let Some(variadic) = &sig.variadic {
        errors.at(variadic, "a message has a fixed set of fields: take a `Vec` instead of `...`");
    }
    check_receiver(sig, errors);
    if let Some(body) = default {
        errors.at(body, "a service only declares its methods: move this body to the worker's implementation");
    }
    if RESERVED.iter().any(|reserved| sig.ident == reserved) {
        let advice = format!(
            "rename the method, and keep the name on the wire with `#[message(name = \"{}\")]`",
            sig.ident
        );
        errors.at(&sig.ident, format!("`{}` is a function of the generated code: {advice}", sig.ident));
    }
    if let (Some(_), ReturnType::Type(_, ty)) = (&options.oneway, &sig.output) {
        errors.at(ty, "nothing comes back from a oneway message: remove this type, or `oneway`");
    }
}

fn check_qualifiers(sig: &Signature, options: &MessageOptions, errors: &mut Errors) {
    match (&sig.asyncness, &options.blocking) {
        (None, None) => {
            let advice = "or `#[message(blocking)]` above it where it computes or blocks";
            let problem = "a call crosses to another process";
            errors.at(sig.fn_token, format!("{problem}: write `async fn {}`, {advice}", sig.ident));
        }
        (Some(token), Some(_)) => {
            let advice = "remove `async`, or `blocking`";
            errors
                .at(token, format!("a blocking method has a thread to itself and awaits nothing: {advice}"));
        }
        _ => {}
    }
    if let Some(token) = &sig.constness {
        errors.at(token, "a call crosses to another process, so it cannot be `const`: remove it");
    }
    match &sig.safety {
        Safety::Default => {}
        safety => errors
            .at(safety, "nothing can be promised to another process: a method has no `unsafe` or `safe`"),
    }
    if let Some(abi) = &sig.abi {
        errors.at(abi, "a call is a message, not a jump: remove the ABI");
    }
}

/// Adds an error if there are parameters or a `where` clause, on a method or a trait.
pub(crate) fn check_generics(generics: &Generics, errors: &mut Errors) {
    const ADVICE: &str =
        "both processes must agree on one type for every message: name concrete types instead of";
    if !generics.params.is_empty() {
        errors.at(&generics.params, format!("{ADVICE} generic parameters"));
    }
    if let Some(clause) = &generics.where_clause {
        errors.at(clause, format!("{ADVICE} a `where` clause"));
    }
}

/// Adds an error at each `#[cfg]`.
fn refuse_cfg(attributes: &[Attribute], errors: &mut Errors) {
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("cfg")) {
        let advice = "put `#[cfg]` on the trait, or on two traits that differ";
        errors.at(attribute, format!("host and worker must agree on the messages of a service: {advice}"));
    }
}

fn check_receiver(sig: &Signature, errors: &mut Errors) {
    let Some(Receiver { mutability, kind, .. }) = sig.receiver() else {
        return errors
            .at(&sig.ident, format!("a call needs somebody who answers: write `{}(&self, ..)`", sig.ident));
    };
    let advice = match kind {
        ReceiverKind::Reference(_, None, None) => return,
        ReceiverKind::Reference(_, _, Some(_)) => {
            "calls run at the same time: take `&self`, and put what changes behind a `Mutex` or an atomic"
        }
        _ if mutability.is_some() => "calls share the service: take `&self` instead of `mut self`",
        _ => "calls share the service: take `&self`",
    };
    errors.at(&sig.inputs[0], advice);
}

/// Takes the call's context out of the parameters, if it is the first of them. It is known by its name, because a macro
/// sees no more.
pub(crate) fn take_context(sig: &mut Signature, errors: &mut Errors) -> Option<(Ident, Type)> {
    let receiver = usize::from(sig.receiver().is_some());
    let mut inputs = std::mem::take(&mut sig.inputs).into_iter().collect::<Vec<_>>();
    let is_context = |input: &FnArg| matches!(input, FnArg::Typed(typed) if is_context(&typed.ty));
    let taken = inputs.get(receiver).is_some_and(is_context).then(|| inputs.remove(receiver));
    for input in inputs.iter().filter(|input| is_context(input)) {
        let advice = "make it the first argument, and the only one of this type";
        errors.at(input, format!("the context of a call is no part of its message: {advice}"));
    }
    sig.inputs = inputs.into_iter().collect();
    let Some(FnArg::Typed(PatType { attrs, pat, ty, .. })) = taken else { return None };
    if let Some(attribute) = attrs.first() {
        errors
            .at(attribute, "the context of a call does not travel, so it has no attributes: remove this one");
    }
    match (*pat, *ty) {
        (Pat::Ident(pat), ty @ Type::Path(_)) => Some((pat.ident, ty)),
        (Pat::Ident(_), ty) => {
            errors.at(ty, "a method gets the context of its call for itself: take `Context` by value");
            None
        }
        (pat, _) => {
            errors.at(pat, "the context of a call needs a plain name, as in `context: Context`");
            None
        }
    }
}

/// Whether a type is called `Context`, whatever its path, or is a reference to one.
fn is_context(ty: &Type) -> bool {
    match ty {
        Type::Path(path) => path.path.segments.last().is_some_and(|last| last.ident == "Context"),
        Type::Reference(reference) => is_context(&reference.elem),
        Type::Group(group) => is_context(&group.elem),
        Type::Paren(paren) => is_context(&paren.elem),
        _ => false,
    }
}

/// The arguments; what cannot be one is left out, with an error.
pub(crate) fn arguments(sig: &Signature, errors: &mut Errors) -> Vec<Argument> {
    sig.inputs.iter().filter_map(|input| argument(input, errors)).collect()
}

fn argument(input: &FnArg, errors: &mut Errors) -> Option<Argument> {
    let FnArg::Typed(PatType { attrs, pat, ty, .. }) = input else { return None };
    refuse_cfg(attrs, errors);
    types::check(ty, Place::Argument, errors);
    match &**pat {
        Pat::Ident(pat) if pat.by_ref.is_none() && pat.mutability.is_none() && pat.subpat.is_none() => {
            Some(Argument { ident: pat.ident.clone(), ty: (**ty).clone(), attributes: attrs.clone() })
        }
        pat => {
            errors.at(pat, "an argument is a field of a message and needs a plain name, as in `value: T`");
            None
        }
    }
}

/// What the method answers.
pub(crate) fn output(output: &ReturnType, errors: &mut Errors) -> Output {
    let ReturnType::Type(_, ty) = output else {
        return Output { ty: parse_quote!(()), reply: parse_quote!(()), error: None };
    };
    types::check(ty, Place::Reply, errors);
    let (reply, error) = match &result_arguments(ty)[..] {
        [reply, error] => (reply.clone(), Some(error.clone())),
        [] => ((**ty).clone(), None),
        _ => {
            let problem = "a macro cannot see which error an alias of `Result` means";
            let advice = "write both types, `Result<T, E>`, with an error that serde can send";
            errors.at(ty, format!("{problem}: {advice}"));
            ((**ty).clone(), None)
        }
    };
    Output { ty: (**ty).clone(), reply, error }
}

/// The types between the angle brackets of a `Result`, whatever its path; nothing for other types.
fn result_arguments(ty: &Type) -> Vec<Type> {
    let path = match ty {
        Type::Path(path) => &path.path,
        // A `$type` of a `macro_rules!` is inside a group.
        Type::Group(group) => return result_arguments(&group.elem),
        Type::Paren(paren) => return result_arguments(&paren.elem),
        _ => return Vec::new(),
    };
    match path.segments.last() {
        Some(last) if last.ident == "Result" => match &last.arguments {
            PathArguments::AngleBracketed(arguments) => {
                arguments.args.iter().filter_map(type_argument).collect()
            }
            // `io::Result` without arguments: as short of a type as with one.
            _ => vec![ty.clone()],
        },
        _ => Vec::new(),
    }
}

fn type_argument(argument: &GenericArgument) -> Option<Type> {
    match argument {
        GenericArgument::Type(ty) => Some(ty.clone()),
        _ => None,
    }
}
