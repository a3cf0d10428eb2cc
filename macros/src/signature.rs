//! Reads the signatures of methods, and refuses those that no message can represent.

use syn::ext::IdentExt;
use syn::{
    Attribute, FnArg, GenericArgument, Generics, Ident, Pat, PatType, PathArguments, Receiver, ReceiverKind,
    ReturnType, Safety, Signature, TraitItemFn, Type, parse_quote,
};

use crate::attribute_parts::{self, AttributePart};
use crate::attributes::MessageOptions;
use crate::errors::Errors;
use crate::method::{Argument, Method, Output};
use crate::names;
use crate::type_check::{self, Position};

mod streams;

/// Reads a method. Adds an error for each invalid part, and reads the rest.
pub(crate) fn method(mut item: TraitItemFn, errors: &mut Errors) -> Method {
    let options = errors.or_default(MessageOptions::take(&mut item.attrs));
    check(&item, &options, errors);
    let context = take_context(&mut item.sig, errors);
    let items = streams::take_items(&mut item.sig, errors);
    let arguments = arguments(&item.sig, errors);
    let output = output(&item.sig.output, errors);
    streams::check(&options, items.as_ref(), &output, errors);
    let ident = item.sig.ident;
    let message = names::message(&ident);
    Method { ident, message, options, attributes: item.attrs, context, arguments, items, output }
}

/// Names of functions in the generated trait and client.
const RESERVED: [&str; 3] = ["new", "service", "into_service"];

/// Methods that the prelude gives to every value. They take `self` and are found before a method of
/// the same name that takes `&self`.
const IN_PRELUDE: [&str; 2] = ["into", "try_into"];

/// Adds an error for each mistake in a method. The types of arguments and replies are checked
/// elsewhere.
fn check(item: &TraitItemFn, options: &MessageOptions, errors: &mut Errors) {
    let TraitItemFn { attrs, modifiers, sig, default, .. } = item;
    refuse_conditions(attrs, errors);
    if let Some(token) = &modifiers.defaultness {
        errors.at(token, "a method of a service cannot be `default`: remove it");
    }
    check_qualifiers(sig, options, errors);
    check_generics(&sig.generics, errors);
    if let Some(variadic) = &sig.variadic {
        errors.at(variadic, "a message has a fixed set of fields: take a `Vec` instead of `...`");
    }
    check_receiver(sig, errors);
    if let Some(body) = default {
        errors.at(
            body,
            "a service only declares its methods: move this body to the worker's implementation of the trait",
        );
    }
    if RESERVED.iter().any(|reserved| sig.ident == reserved) {
        let advice =
            format!("rename the method, and keep its wire name with `#[message(name = \"{}\")]`", sig.ident);
        errors.at(&sig.ident, format!("the generated code has a function `{}` already: {advice}", sig.ident));
    }
    if IN_PRELUDE.iter().any(|name| sig.ident == name) {
        let problem = format!("`client.{}()` would call the method of Rust's prelude", sig.ident);
        let advice =
            format!("rename the method, and keep its wire name with `#[message(name = \"{}\")]`", sig.ident);
        errors.at(&sig.ident, format!("{problem}: {advice}"));
    }
    if let (Some(_), ReturnType::Type(_, ty)) = (&options.oneway, &sig.output) {
        errors.at(ty, "a oneway message has no reply: remove this type, or `oneway`");
    }
}

fn check_qualifiers(sig: &Signature, options: &MessageOptions, errors: &mut Errors) {
    let is_stream = streams::item_of_output(&sig.output).is_some();
    match (&sig.asyncness, &options.blocking) {
        (Some(token), _) if is_stream => {
            let problem = "the call starts when its stream is polled";
            errors.at(token, format!("{problem}: remove `async`, and await within the stream"));
        }
        // A stream in another place is an error of its own.
        (None, None) if type_check::has_stream(&sig.output) => {}
        (None, None) => {
            let advice = match streams::takes_items(sig) {
                true => "",
                false => ", or put `#[message(blocking)]` above it if it computes or blocks",
            };
            let problem = "a method is called in another process";
            errors.at(sig.fn_token, format!("{problem}: write `async fn {}`{advice}", sig.ident));
        }
        (Some(token), Some(_)) => {
            let advice = "remove `async`, or `blocking`";
            errors
                .at(token, format!("a blocking method runs on a separate thread and cannot await: {advice}"));
        }
        _ => {}
    }
    if let Some(token) = &sig.constness {
        errors.at(token, "a call to another process cannot be `const`: remove it");
    }
    match &sig.safety {
        Safety::Default => {}
        safety => errors.at(safety, "a method of a service cannot be `unsafe` or `safe`: remove it"),
    }
    if let Some(abi) = &sig.abi {
        errors.at(abi, "a call is sent as a message and has no ABI: remove the ABI");
    }
}

/// Adds an error if a method or a trait has generic parameters or a `where` clause.
pub(crate) fn check_generics(generics: &Generics, errors: &mut Errors) {
    const ADVICE: &str =
        "a message has the same concrete types in both processes: name concrete types instead of";
    if !generics.params.is_empty() {
        errors.at(&generics.params, format!("{ADVICE} generic parameters"));
    }
    if let Some(clause) = &generics.where_clause {
        errors.at(clause, format!("{ADVICE} a `where` clause"));
    }
}

/// Adds an error at each `#[cfg]`, and at each `#[message]` inside a `cfg_attr`.
fn refuse_conditions(attributes: &[Attribute], errors: &mut Errors) {
    let advice = "put `#[cfg]` on the trait, or on two traits that differ";
    for AttributePart { conditions, meta } in attribute_parts::parts(attributes) {
        if meta.path().is_ident("cfg") {
            errors.at(meta, format!("host and worker must have the same messages: {advice}"));
        } else if meta.path().is_ident("message") && !conditions.is_empty() {
            let problem = "the options of a message cannot depend on a condition: remove the `cfg_attr`";
            errors.at(meta, format!("{problem}, or {advice}"));
        }
    }
}

fn check_receiver(sig: &Signature, errors: &mut Errors) {
    let Some(Receiver { mutability, kind, .. }) = sig.receiver() else {
        return errors.at(
            &sig.ident,
            format!("a method of a service needs a receiver: write `{}(&self, ..)`", sig.ident),
        );
    };
    let advice = match kind {
        ReceiverKind::Reference(_, None, None) => return,
        ReceiverKind::Reference(_, _, Some(_)) => {
            "calls run concurrently: take `&self`, and put mutable state behind a `Mutex` or an atomic"
        }
        _ if mutability.is_some() => "calls share the service: take `&self` instead of `mut self`",
        _ => "calls share the service: take `&self`",
    };
    errors.at(&sig.inputs[0], advice);
}

/// Removes the call's context from the parameters, if it is the first parameter.
///
/// The context is recognized by the name of its type, because a macro cannot resolve types.
fn take_context(sig: &mut Signature, errors: &mut Errors) -> Option<(Ident, Type)> {
    let receiver = usize::from(sig.receiver().is_some());
    let mut inputs = std::mem::take(&mut sig.inputs).into_iter().collect::<Vec<_>>();
    let is_context = |input: &FnArg| matches!(input, FnArg::Typed(typed) if is_context(&typed.ty));
    let taken = inputs.get(receiver).is_some_and(is_context).then(|| inputs.remove(receiver));
    for input in inputs.iter().filter(|input| is_context(input)) {
        let advice = "make it the first argument, and the only one of this type";
        errors.at(input, format!("the context of a call is not part of its message: {advice}"));
    }
    sig.inputs = inputs.into_iter().collect();
    let Some(FnArg::Typed(PatType { attrs, pat, ty, .. })) = taken else { return None };
    if let Some(attribute) = attrs.first() {
        errors.at(
            attribute,
            "the context of a call is not sent, so it cannot have attributes: remove this one",
        );
    }
    match (*pat, *ty) {
        (Pat::Ident(pat), ty @ Type::Path(_)) => Some((pat.ident, ty)),
        (Pat::Ident(_), ty) => {
            errors.at(ty, "a method owns the context of its call: take `Context` by value");
            None
        }
        (pat, _) => {
            errors.at(pat, "the context of a call needs a plain name, as in `context: Context`");
            None
        }
    }
}

/// Returns `true` if a type is named `Context`, with any path, or is a reference to one.
fn is_context(ty: &Type) -> bool {
    match ty {
        Type::Path(path) => path.path.segments.last().is_some_and(|last| last.ident == "Context"),
        Type::Reference(reference) => is_context(&reference.elem),
        Type::Group(group) => is_context(&group.elem),
        Type::Paren(paren) => is_context(&paren.elem),
        _ => false,
    }
}

/// Reads the arguments. Adds an error for each invalid argument and leaves it out.
fn arguments(sig: &Signature, errors: &mut Errors) -> Vec<Argument> {
    let arguments: Vec<Argument> = sig.inputs.iter().filter_map(|input| argument(input, errors)).collect();
    for (index, Argument { written, .. }) in arguments.iter().enumerate() {
        if arguments[..index].iter().any(|earlier| earlier.written.unraw() == written.unraw()) {
            errors.at(written, format!("`{written}` is already an argument: choose another name"));
        }
    }
    arguments
}

fn argument(input: &FnArg, errors: &mut Errors) -> Option<Argument> {
    let FnArg::Typed(PatType { attrs, pat, ty, .. }) = input else { return None };
    refuse_conditions(attrs, errors);
    type_check::check(ty, Position::Argument, errors);
    match &**pat {
        Pat::Ident(pat) if pat.by_ref.is_none() && pat.mutability.is_none() && pat.subpat.is_none() => {
            Some(Argument { written: pat.ident.clone(), ty: (**ty).clone(), attributes: attrs.clone() })
        }
        pat => {
            errors.at(pat, "an argument is a field of a message and needs a plain name, as in `value: T`");
            None
        }
    }
}

/// Reads the return type.
pub(crate) fn output(output: &ReturnType, errors: &mut Errors) -> Output {
    let ReturnType::Type(_, ty) = output else {
        return Output { ty: parse_quote!(()), reply: parse_quote!(()), error: None, item: None };
    };
    if let Some(item) = streams::item_of(ty) {
        return streams::output(ty, &item, errors);
    }
    type_check::check(ty, Position::Reply, errors);
    let (reply, error) = split_result(ty, errors);
    Output { ty: (**ty).clone(), reply, error, item: None }
}

/// Splits a `Result` into its types. Another type is a reply without an error.
fn split_result(ty: &Type, errors: &mut Errors) -> (Type, Option<Type>) {
    match &result_arguments(ty)[..] {
        [reply, error] => (reply.clone(), Some(error.clone())),
        [] => (ty.clone(), None),
        _ => {
            let problem = "a macro cannot see the error type of an alias of `Result`";
            let advice = "write both types, `Result<T, E>`, with an error that implements serde's traits";
            errors.at(ty, format!("{problem}: {advice}"));
            (ty.clone(), None)
        }
    }
}

/// Type arguments of a `Result` with any path. Empty for other types.
fn result_arguments(ty: &Type) -> Vec<Type> {
    let path = match ty {
        Type::Path(path) => &path.path,
        // A `$type` of a `macro_rules!` arrives in a group.
        Type::Group(group) => return result_arguments(&group.elem),
        Type::Paren(paren) => return result_arguments(&paren.elem),
        _ => return Vec::new(),
    };
    match path.segments.last() {
        Some(last) if last.ident == "Result" => match &last.arguments {
            PathArguments::AngleBracketed(arguments) => {
                arguments.args.iter().filter_map(type_argument).collect()
            }
            // `fmt::Result` without arguments lacks a type too, so return one.
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
