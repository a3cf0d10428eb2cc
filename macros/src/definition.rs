//! Definition of a service: its trait, read and checked.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote};
use syn::ext::IdentExt;
use syn::{Item, ItemTrait, Path, TraitItem, Visibility};

use crate::attribute_parts::{self, AttributePart};
use crate::attributes::ServiceOptions;
use crate::errors::Errors;
use crate::generic_names::GenericNames;
use crate::method::Method;
use crate::names::{self, generated_at};
use crate::scope::{relocate_path, relocate_visibility};
use crate::signature;

/// A trait annotated with `#[service]`.
pub(crate) struct Definition {
    /// The trait, without its methods.
    pub(crate) item: ItemTrait,
    pub(crate) methods: Vec<Method>,
    pub(crate) module: Ident,
    /// Additional derives for the messages.
    pub(crate) derives: Vec<Path>,
    /// `true` if the types of arguments and replies have a JSON Schema.
    pub(crate) has_schema: bool,
    /// Path of the facade crate.
    pub(crate) krate: Path,
    generic_names: GenericNames,
}

impl Definition {
    /// Reads a trait. The error combines all mistakes in it.
    pub(crate) fn parse(options: TokenStream, item: TokenStream) -> syn::Result<Self> {
        let mut generic_names = GenericNames::default();
        generic_names.reserve(item.clone());
        let mut item = match syn::parse2(item)? {
            Item::Trait(item) => item,
            other => return Err(syn::Error::new_spanned(other, "`#[service]` belongs on a trait")),
        };
        if let Some(at) = async_trait(&item) {
            // An `#[async_trait]` above `#[service]` has already changed all methods.
            let problem = "a service needs no `#[async_trait]`, which hides the types of its messages";
            return Err(syn::Error::new_spanned(
                at,
                format!("{problem}: remove it here and at `impl` blocks"),
            ));
        }
        let mut errors = Errors::default();
        let options = errors.or_default(ServiceOptions::parse(options));
        check_trait(&item, &mut errors);
        let items = std::mem::take(&mut item.items);
        let methods: Vec<Method> = items.into_iter().filter_map(|item| method(item, &mut errors)).collect();
        check_names(&methods, &mut errors);
        let krate = options.krate();
        let module = options.module.unwrap_or_else(|| names::module(&item.ident));
        let (derives, has_schema) = (options.derives, options.schema.is_some());
        let mut definition = Self { item, methods, module, derives, has_schema, krate, generic_names };
        definition.check_module(&mut errors);
        definition.reserve_names();
        errors.finish(definition)
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
        self.ident_with("Client")
    }

    pub(crate) fn blocking_client(&self) -> Ident {
        self.ident_with("BlockingClient")
    }

    pub(crate) fn handler(&self) -> Ident {
        self.ident_with("Service")
    }

    /// Returns the trait's name with `suffix`.
    fn ident_with(&self, suffix: &str) -> Ident {
        let ident = self.ident();
        Ident::new(&format!("{}{suffix}", ident.unraw()), generated_at(ident.span()))
    }

    /// Returns a name for a type parameter that shadows no name of the definition.
    pub(crate) fn generic(&self, name: &str) -> Ident {
        self.generic_names.unused(name)
    }

    /// Returns the lint levels of generated items: those of the trait, and two of their own.
    ///
    /// A program may use only the client or only the handler, and a deprecated method is still
    /// served. No other lint needs a level, which a user's `forbid` would refuse: lints are not
    /// reported at the spans of generated code.
    pub(crate) fn lint_levels(&self) -> TokenStream {
        let levels = attribute_parts::lint_levels(&self.item.attrs);
        let deprecated = self.is_deprecated().then(|| quote!(, deprecated));
        quote!(#(#levels)* #[allow(dead_code #deprecated)])
    }

    /// Returns `true` if a part of the trait is deprecated.
    fn is_deprecated(&self) -> bool {
        let arguments = self.methods.iter().flat_map(|method| &method.arguments);
        let attributes = self.methods.iter().map(|method| &method.attributes);
        attributes
            .chain(arguments.map(|argument| &argument.attributes))
            .chain([&self.item.attrs])
            .any(|attributes| attribute_parts::parts(attributes).iter().any(is_deprecation))
    }

    /// Returns the attributes of the trait that its client repeats.
    pub(crate) fn deprecation(&self) -> impl Iterator<Item = AttributePart> {
        attribute_parts::parts(&self.item.attrs).into_iter().filter(is_deprecation)
    }

    /// Adds an error if the module has the name of another generated item.
    fn check_module(&self, errors: &mut Errors) {
        let taken = [self.ident().clone(), self.client(), self.blocking_client(), self.handler()];
        if let Some(taken) = taken.iter().find(|taken| taken.unraw() == self.module.unraw()) {
            let problem = format!("the module of messages cannot have the name `{taken}`, which is taken");
            errors.at(taken, format!("{problem}: choose another with `#[service(module = name)]`"));
        }
    }

    /// Reserves the names that are not tokens of the trait.
    fn reserve_names(&mut self) {
        let Self { item, methods, module, derives, krate, .. } = &*self;
        let messages = methods.iter().map(|method| &method.message);
        let (client, blocking_client) = (self.client(), self.blocking_client());
        let (trait_, handler) = (&item.ident, self.handler());
        let names =
            quote!(#trait_ #client #blocking_client #handler #module #krate #(#derives)* #(#messages)*);
        self.generic_names.reserve(names);
    }
}

fn is_deprecation(part: &AttributePart) -> bool {
    part.is(&["deprecated"])
}

/// Returns the attribute `#[async_trait]` of a trait, or the name of a method that it has changed.
fn async_trait(item: &ItemTrait) -> Option<TokenStream> {
    let attribute = item
        .attrs
        .iter()
        .find(|attribute| attribute.path().segments.last().is_some_and(|last| last.ident == "async_trait"));
    let is_changed = |item: &&TraitItem| match item {
        TraitItem::Fn(method) => {
            method.sig.generics.lifetimes().any(|lifetime| lifetime.lifetime.ident == "async_trait")
        }
        _ => false,
    };
    attribute.map(ToTokens::to_token_stream).or_else(|| match item.items.iter().find(is_changed)? {
        TraitItem::Fn(method) => Some(method.sig.ident.to_token_stream()),
        _ => None,
    })
}

fn check_trait(item: &ItemTrait, errors: &mut Errors) {
    if item.ident.unraw() == "iw" {
        errors.at(&item.ident, "the name `iw` is reserved for the description of a worker: choose another");
    }
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
        if let Some((_, role)) = names::RESERVED.iter().find(|(name, _)| message == name) {
            let problem = format!("`{message}` is {role}, so `{ident}` cannot have that message");
            let advice =
                format!("rename the method, and keep its wire name with `#[message(name = \"{ident}\")]`");
            errors.at(ident, format!("{problem}: {advice}"));
        }
    }
}

#[cfg(test)]
mod tests;
