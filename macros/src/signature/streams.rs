//! Streams in signatures: `Streaming<Item>` as an argument, and `impl Stream<Item = Item>` as a
//! reply.
//!
//! Both are recognized by their names, because a macro cannot resolve types.

use syn::{
    FnArg, GenericArgument, Pat, PatType, Path, PathArguments, ReturnType, Signature, Type, TypeParamBound,
    parse_quote,
};

use super::{split_result, type_argument};
use crate::attributes::MessageOptions;
use crate::errors::Errors;
use crate::method::{ItemsArgument, Output};
use crate::type_check::{self, Position};

/// Removes the parameter for the items of the caller, if there is one.
pub(super) fn take_items(sig: &mut Signature, errors: &mut Errors) -> Option<ItemsArgument> {
    let receiver = usize::from(sig.receiver().is_some());
    let mut inputs = std::mem::take(&mut sig.inputs).into_iter().collect::<Vec<_>>();
    let at = inputs.iter().position(|input| item_of_input(input).is_some());
    let taken = at.map(|at| (at, inputs.remove(at)));
    for input in inputs.iter().filter(|input| item_of_input(input).is_some()) {
        errors.at(input, "a call has one stream from its caller: send both kinds of items in it, as an enum");
    }
    inputs.retain(|input| item_of_input(input).is_none());
    sig.inputs = inputs.into_iter().collect();
    let (at, input) = taken?;
    let item = item_of_input(&input)?;
    type_check::check(&item, Position::Argument, errors);
    let FnArg::Typed(PatType { attrs, pat, ty, .. }) = input else { return None };
    if let Some(attribute) = attrs.first() {
        errors.at(attribute, "a stream is no field of the message and has no attributes: remove this one");
    }
    match *pat {
        Pat::Ident(pat) if pat.by_ref.is_none() && pat.mutability.is_none() && pat.subpat.is_none() => {
            Some(ItemsArgument { index: at.saturating_sub(receiver), written: pat.ident, ty: *ty, item })
        }
        pat => {
            errors.at(pat, "a stream of items needs a plain name, as in `pages: Streaming<Page>`");
            None
        }
    }
}

/// Returns `true` if a method has a parameter for the items of the caller.
pub(super) fn takes_items(sig: &Signature) -> bool {
    sig.inputs.iter().any(|input| item_of_input(input).is_some())
}

/// Item type of a parameter that is a `Streaming`.
fn item_of_input(input: &FnArg) -> Option<Type> {
    match input {
        FnArg::Typed(typed) => item_of_streaming(&typed.ty),
        FnArg::Receiver(_) => None,
    }
}

fn item_of_streaming(ty: &Type) -> Option<Type> {
    match ty {
        Type::Path(path) => {
            let last = path.path.segments.last().filter(|last| last.ident == "Streaming")?;
            let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
            arguments.args.iter().find_map(type_argument)
        }
        Type::Group(group) => item_of_streaming(&group.elem),
        Type::Paren(paren) => item_of_streaming(&paren.elem),
        _ => None,
    }
}

/// Item type of the stream that a method returns.
pub(super) fn item_of_output(output: &ReturnType) -> Option<Type> {
    match output {
        ReturnType::Type(_, ty) => item_of(ty),
        ReturnType::Default => None,
    }
}

/// Item type of `impl Stream<Item = T>`.
pub(super) fn item_of(ty: &Type) -> Option<Type> {
    match ty {
        Type::ImplTrait(bounds) => bounds.bounds.iter().find_map(|bound| match bound {
            TypeParamBound::Trait(bound) => item_of_stream(&bound.path),
            _ => None,
        }),
        Type::Group(group) => item_of(&group.elem),
        Type::Paren(paren) => item_of(&paren.elem),
        _ => None,
    }
}

fn item_of_stream(path: &Path) -> Option<Type> {
    let last = path.segments.last().filter(|last| last.ident == "Stream")?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::AssocType(item) if item.ident == "Item" => Some(item.ty.clone()),
        _ => None,
    })
}

/// Reads the items of a method that returns a stream.
pub(super) fn output(ty: &Type, item: &Type, errors: &mut Errors) -> Output {
    type_check::check(item, Position::Reply, errors);
    let (item, error) = split_result(item, errors);
    Output { ty: ty.clone(), reply: parse_quote!(()), error, item: Some(item) }
}

/// Adds an error for each option that a method with streams cannot have.
pub(super) fn check(
    options: &MessageOptions,
    items: Option<&ItemsArgument>,
    output: &Output,
    errors: &mut Errors,
) {
    let (sends, answers) = (items.is_some(), output.item.is_some());
    if let Some(key) = options.oneway.as_ref().filter(|_| sends || answers) {
        errors.at(key, "a oneway message has no streams: remove `oneway`");
    }
    if let Some(key) = options.blocking.as_ref().filter(|_| sends || answers) {
        let advice = match answers {
            true => "remove `blocking`, and return the stream of `streaming::produce_blocking`",
            false => "write an `async fn` instead, and use `spawn_blocking` for what blocks",
        };
        errors.at(key, format!("a blocking method has no streams: {advice}"));
    }
    if let Some((_, key)) = options.idle.as_ref().filter(|_| !answers) {
        errors
            .at(key, "only a method that returns a stream waits for items: remove `idle`, or use `timeout`");
    }
    if let Some((_, key)) = options.retry.as_ref().filter(|_| sends) {
        errors.at(key, "the items of a call cannot be sent again: remove `retry`");
    }
}
