//! Definition of a service: its trait, read and checked.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, format_ident};
use syn::{Item, ItemTrait, Path, TraitItem, Visibility};

use crate::attributes::ServiceOptions;
use crate::errors::Errors;
use crate::method::Method;
use crate::scope::{relocate_path, relocate_visibility};
use crate::{names, signature};

/// A trait annotated with `#[service]`.
pub(crate) struct Definition {
    /// The trait, without its methods.
    pub(crate) item: ItemTrait,
    pub(crate) methods: Vec<Method>,
    pub(crate) module: Ident,
    /// Additional derives for the messages.
    pub(crate) derives: Vec<Path>,
    /// Path of the facade crate.
    pub(crate) krate: Path,
}

impl Definition {
    /// Reads a trait. The error combines all mistakes in it.
    pub(crate) fn parse(options: TokenStream, item: TokenStream) -> syn::Result<Self> {
        let mut item = match syn::parse2(item)? {
            Item::Trait(item) => item,
            other => return Err(syn::Error::new_spanned(other, "`#[service]` belongs on a trait")),
        };
        let mut errors = Errors::default();
        let options = errors.or_default(ServiceOptions::parse(options));
        check_trait(&item, &mut errors);
        let items = std::mem::take(&mut item.items);
        let methods: Vec<Method> = items.into_iter().filter_map(|item| method(item, &mut errors)).collect();
        check_names(&methods, &mut errors);
        let krate = options.krate();
        let module = options.module.unwrap_or_else(|| names::module(&item.ident));
        errors.finish(Self { item, methods, module, derives: options.derives, krate })
    }

    /// Name of the trait.
    pub(crate) fn ident(&self) -> &Ident {
        &self.item.ident
    }

    pub(crate) fn visibility(&self) -> &Visibility {
        &self.item.vis
    }

    /// Returns the trait's visibility, for items in the generated module.
    pub(crate) fn visibility_in_module(&self) -> Visibility {
        relocate_visibility(self.visibility())
    }

    /// Returns the path of the facade crate, for code in the generated module.
    pub(crate) fn krate_in_module(&self) -> Path {
        relocate_path(&self.krate)
    }

    pub(crate) fn client(&self) -> Ident {
        format_ident!("{}Client", self.ident())
    }

    pub(crate) fn handler(&self) -> Ident {
        format_ident!("{}Service", self.ident())
    }
}

fn check_trait(item: &ItemTrait, errors: &mut Errors) {
    if let Some(token) = &item.unsafety {
        errors.at(token, "a service cannot be an `unsafe` trait: remove `unsafe`");
    }
    if let Some(token) = &item.modifiers.auto_token {
        errors.at(token, "a service cannot be an `auto` trait: remove `auto`");
    }
    signature::check_generics(&item.generics, errors);
}

/// Reads a method. Adds an error if `item` is something else.
fn method(item: TraitItem, errors: &mut Errors) -> Option<Method> {
    let problem = match &item {
        TraitItem::Fn(_) => None,
        TraitItem::Type(_) => {
            Some("a service cannot have associated types: name a concrete type in each method")
        }
        TraitItem::Const(_) => {
            Some("a service cannot have constants: make it a method, or move it out of the trait")
        }
        _ => Some("a service can only contain methods: write each method out in the trait"),
    };
    match (item, problem) {
        (TraitItem::Fn(item), _) => Some(signature::method(item, errors)),
        (other, problem) => {
            errors.at(other, problem.unwrap_or_default());
            None
        }
    }
}

/// Adds an error for each name that is used twice.
fn check_names(methods: &[Method], errors: &mut Errors) {
    for (index, method) in methods.iter().enumerate() {
        let Method { ident, message, options, .. } = method;
        let earlier = &methods[..index];
        if let Some(other) = earlier.iter().find(|other| other.message == *message) {
            let problem = format!("`{}` and `{ident}` both need a message `{message}`", other.ident);
            errors.at(ident, format!("{problem}: rename one of the methods"));
        } else if let Some(other) = earlier.iter().find(|other| other.wire_name() == method.wire_name()) {
            let name =
                options.name.as_ref().map_or_else(|| ident.to_token_stream(), ToTokens::to_token_stream);
            errors.at(
                name,
                format!("`{}` already has this name on the wire: choose another name", other.ident),
            );
        }
        if message == names::REQUEST {
            let problem =
                format!("`{message}` is the enum of all messages, so `{ident}` cannot have that message");
            let advice =
                format!("rename the method, and keep its wire name with `#[message(name = \"{ident}\")]`");
            errors.at(ident, format!("{problem}: {advice}"));
        }
    }
}

#[cfg(test)]
mod tests;
