//! The definition of a service: its trait, checked.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, format_ident};
use syn::{Item, ItemTrait, Path, TraitItem, Visibility};

use crate::attributes::ServiceOptions;
use crate::errors::Errors;
use crate::method::Method;
use crate::scope::{lower_path, lower_visibility};
use crate::{client, contract, module, names, request, server, signature};

/// A trait that is a service.
pub(crate) struct Definition {
    /// The trait, without its methods.
    pub(crate) contract: ItemTrait,
    pub(crate) methods: Vec<Method>,
    pub(crate) module: Ident,
    /// Derives for messages.
    pub(crate) derives: Vec<Path>,
    /// The path of the facade crate.
    pub(crate) krate: Path,
}

/// The trait, the module of its messages, its client and its server.
pub(crate) fn expand(options: TokenStream, item: TokenStream) -> syn::Result<TokenStream> {
    let definition = Definition::parse(options, item)?;
    let parts = [contract::expand, module::expand, client::expand, server::expand];
    Ok(parts.iter().map(|expand| expand(&definition)).collect())
}

impl Definition {
    /// Reads a trait, or says all that is wrong with it.
    pub(crate) fn parse(options: TokenStream, item: TokenStream) -> syn::Result<Self> {
        let mut contract = match syn::parse2(item)? {
            Item::Trait(contract) => contract,
            other => return Err(syn::Error::new_spanned(other, "`#[service]` belongs on a trait")),
        };
        let mut errors = Errors::default();
        let options = errors.or_default(ServiceOptions::parse(options));
        check_trait(&contract, &mut errors);
        let items = std::mem::take(&mut contract.items);
        let methods: Vec<Method> = items.into_iter().filter_map(|item| method(item, &mut errors)).collect();
        check_names(&methods, &mut errors);
        let krate = options.krate();
        let module = options.module.unwrap_or_else(|| names::module(&contract.ident));
        errors.finish(Self { contract, methods, module, derives: options.derives, krate })
    }

    /// The name of the trait.
    pub(crate) fn ident(&self) -> &Ident {
        &self.contract.ident
    }

    pub(crate) fn visibility(&self) -> &Visibility {
        &self.contract.vis
    }

    /// The visibility of what is in the module.
    pub(crate) fn inner_visibility(&self) -> Visibility {
        lower_visibility(self.visibility())
    }

    /// The path of the facade crate, for use in the module.
    pub(crate) fn inner_krate(&self) -> Path {
        lower_path(&self.krate)
    }

    pub(crate) fn client(&self) -> Ident {
        format_ident!("{}Client", self.ident())
    }

    pub(crate) fn server(&self) -> Ident {
        format_ident!("{}Service", self.ident())
    }
}

fn check_trait(contract: &ItemTrait, errors: &mut Errors) {
    if let Some(token) = &contract.unsafety {
        errors.at(token, "nothing can be promised to another process: a service is no `unsafe` trait");
    }
    if let Some(token) = &contract.modifiers.auto_token {
        errors.at(token, "a worker implements its service by hand: remove `auto`");
    }
    signature::check_generics(&contract.generics, errors);
}

/// The method, or an error if `item` is none.
fn method(item: TraitItem, errors: &mut Errors) -> Option<Method> {
    let problem = match &item {
        TraitItem::Fn(_) => None,
        TraitItem::Type(_) => Some("a message has concrete types: name one instead of an associated type"),
        TraitItem::Const(_) => {
            Some("a constant cannot be read from another process: make it a method, or move it")
        }
        _ => Some("a service consists of methods, which a macro must be able to see"),
    };
    match (item, problem) {
        (TraitItem::Fn(item), _) => Some(Method::parse(item, errors)),
        (other, problem) => {
            errors.at(other, problem.unwrap_or_default());
            None
        }
    }
}

/// Adds an error for each name that is there twice.
fn check_names(methods: &[Method], errors: &mut Errors) {
    for (index, method) in methods.iter().enumerate() {
        let Method { ident, message, options, .. } = method;
        let earlier = &methods[..index];
        if let Some(other) = earlier.iter().find(|other| other.message == *message) {
            let problem = format!("the message of `{ident}` is `{message}`, as is that of `{}`", other.ident);
            errors.at(ident, format!("{problem}: rename one of the methods"));
        } else if let Some(other) = earlier.iter().find(|other| other.wire_name() == method.wire_name()) {
            let name =
                options.name.as_ref().map_or_else(|| ident.to_token_stream(), ToTokens::to_token_stream);
            errors.at(name, format!("`{}` already has this name on the wire: choose another", other.ident));
        }
        if message == request::NAME {
            let problem = format!("the message of `{ident}` would be called like the enum of all messages");
            let advice = format!(
                "rename the method, and keep the name on the wire with `#[message(name = \"{ident}\")]`"
            );
            errors.at(ident, format!("{problem}: {advice}"));
        }
    }
}

#[cfg(test)]
mod tests;
