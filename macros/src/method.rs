//! One method of a service: what the trait declares, checked, and the names of what is generated for it.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{IdentFragment, ToTokens, format_ident, quote};
use syn::ext::IdentExt;
use syn::{Attribute, LitStr, TraitItemFn, Type};

use crate::attributes::MessageOptions;
use crate::errors::Errors;
use crate::{names, signature};

/// A method and the message that calls it.
pub(crate) struct Method {
    pub(crate) ident: Ident,
    /// The struct of its arguments.
    pub(crate) message: Ident,
    pub(crate) options: MessageOptions,
    /// All but `#[message]`.
    pub(crate) attributes: Vec<Attribute>,
    /// The first parameter, where it is the call's context: what it is called, and its type as it was written.
    pub(crate) context: Option<(Ident, Type)>,
    pub(crate) arguments: Vec<Argument>,
    pub(crate) output: Output,
}

/// One argument: a parameter of the method, a field of the message.
pub(crate) struct Argument {
    pub(crate) ident: Ident,
    pub(crate) ty: Type,
    /// For the field: documentation, serde's attributes and those of other derives.
    pub(crate) attributes: Vec<Attribute>,
}

/// What a method answers.
pub(crate) struct Output {
    /// As it was written: `Result<i64, DivideError>`.
    pub(crate) ty: Type,
    pub(crate) reply: Type,
    /// The method's own error, if it returns a `Result`.
    pub(crate) error: Option<Type>,
}

impl Method {
    /// Reads a method, as well as it can be read.
    pub(crate) fn parse(mut item: TraitItemFn, errors: &mut Errors) -> Self {
        let options = errors.or_default(MessageOptions::take(&mut item.attrs));
        signature::check(&item, &options, errors);
        let context = signature::take_context(&mut item.sig, errors);
        let arguments = signature::arguments(&item.sig, errors);
        let output = signature::output(&item.sig.output, errors);
        let ident = item.sig.ident;
        let message = names::message(&ident);
        Self { ident, message, options, attributes: item.attrs, context, arguments, output }
    }

    /// Where errors about the code generated for this method belong.
    pub(crate) fn span(&self) -> Span {
        Span::call_site().located_at(self.ident.span())
    }

    /// The message's name on the wire.
    pub(crate) fn wire_name(&self) -> String {
        self.options.name.as_ref().map_or_else(|| self.ident.unraw().to_string(), LitStr::value)
    }

    /// The method's name with the parameters that callers see: `add(&self, a: i64, b: i64)`
    pub(crate) fn call(&self) -> TokenStream {
        let Self { ident, .. } = self;
        let parameters = self.parameters();
        quote!(#ident(&self #(, #parameters)*))
    }

    /// The same with all parameters: `add(&self, context: Context, a: i64, b: i64)`
    pub(crate) fn declaration(&self) -> TokenStream {
        let Self { ident, .. } = self;
        let context = self.context.iter().map(|(name, ty)| quote!(#name: #ty));
        let parameters = context.chain(self.parameters());
        quote!(#ident(&self #(, #parameters)*))
    }

    fn parameters(&self) -> impl Iterator<Item = TokenStream> {
        self.arguments.iter().map(|Argument { ident, ty, .. }| quote!(#ident: #ty))
    }

    /// `Add { a, b }`, which both makes the message and takes it apart; `Reset` where there are no arguments.
    pub(crate) fn fields(&self) -> TokenStream {
        let Self { message, .. } = self;
        if self.arguments.is_empty() {
            return message.to_token_stream();
        }
        let names = self.arguments.iter().map(|argument| &argument.ident);
        quote!(#message { #(#names),* })
    }

    /// The name of an alias for a type of this method: `Add_a`.
    pub(crate) fn alias(&self, of: impl IdentFragment) -> Ident {
        format_ident!("{}_{}", self.message, of)
    }

    pub(crate) fn docs(&self) -> impl Iterator<Item = &Attribute> {
        attributes(&self.attributes, &["doc"])
    }

    /// What callers should know too, on the client's method.
    pub(crate) fn for_callers(&self) -> impl Iterator<Item = &Attribute> {
        attributes(&self.attributes, &["doc", "deprecated"])
    }
}

impl Argument {
    pub(crate) fn span(&self) -> Span {
        Span::call_site().located_at(self.ident.span())
    }

    pub(crate) fn is_documented(&self) -> bool {
        attributes(&self.attributes, &["doc"]).next().is_some()
    }
}

fn attributes<'a>(all: &'a [Attribute], names: &'a [&str]) -> impl Iterator<Item = &'a Attribute> {
    all.iter().filter(|attribute| names.iter().any(|name| attribute.path().is_ident(name)))
}
