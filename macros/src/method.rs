//! A method of a service, and the names of the items generated for it.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{IdentFragment, ToTokens, format_ident, quote};
use syn::ext::IdentExt;
use syn::{Attribute, LitStr, Type};

use crate::attributes::MessageOptions;

/// A method and the message that calls it.
pub(crate) struct Method {
    pub(crate) ident: Ident,
    /// Name of the struct that holds its arguments.
    pub(crate) message: Ident,
    pub(crate) options: MessageOptions,
    /// All attributes except `#[message]`.
    pub(crate) attributes: Vec<Attribute>,
    /// Name and written type of the first parameter, if it is the call's context.
    pub(crate) context: Option<(Ident, Type)>,
    pub(crate) arguments: Vec<Argument>,
    pub(crate) output: Output,
}

/// Argument: a parameter of the method, and a field of the message.
pub(crate) struct Argument {
    pub(crate) ident: Ident,
    pub(crate) ty: Type,
    /// Attributes of the field: documentation, and the attributes of serde and other derives.
    pub(crate) attributes: Vec<Attribute>,
}

/// Return type of a method.
pub(crate) struct Output {
    /// The type as written: `Result<i64, DivideError>`.
    pub(crate) ty: Type,
    pub(crate) reply: Type,
    /// The method's own error, if it returns a `Result`.
    pub(crate) error: Option<Type>,
}

impl Method {
    /// Span for errors about the code generated for this method.
    pub(crate) fn span(&self) -> Span {
        Span::call_site().located_at(self.ident.span())
    }

    /// Name of the message on the wire.
    pub(crate) fn wire_name(&self) -> String {
        self.options.name.as_ref().map_or_else(|| self.ident.unraw().to_string(), LitStr::value)
    }

    /// Returns the signature that callers see, without the context: `add(&self, a: i64, b: i64)`.
    pub(crate) fn call(&self) -> TokenStream {
        let Self { ident, .. } = self;
        let parameters = self.parameters();
        quote!(#ident(&self #(, #parameters)*))
    }

    /// Returns the signature with all parameters: `add(&self, context: Context, a: i64, b: i64)`.
    pub(crate) fn declaration(&self) -> TokenStream {
        let Self { ident, .. } = self;
        let context = self.context.iter().map(|(name, ty)| quote!(#name: #ty));
        let parameters = context.chain(self.parameters());
        quote!(#ident(&self #(, #parameters)*))
    }

    fn parameters(&self) -> impl Iterator<Item = TokenStream> {
        self.arguments.iter().map(|Argument { ident, ty, .. }| quote!(#ident: #ty))
    }

    /// Returns `Add { a, b }`, as an expression or a pattern, or `Reset` if there are no arguments.
    pub(crate) fn fields(&self) -> TokenStream {
        let Self { message, .. } = self;
        if self.arguments.is_empty() {
            return message.to_token_stream();
        }
        let names = self.arguments.iter().map(|argument| &argument.ident);
        quote!(#message { #(#names),* })
    }

    /// Name of an alias for a type of this method: `Add_a`.
    pub(crate) fn alias(&self, of: impl IdentFragment) -> Ident {
        format_ident!("{}_{}", self.message, of)
    }

    pub(crate) fn docs(&self) -> impl Iterator<Item = &Attribute> {
        attributes(&self.attributes, &["doc"])
    }

    /// Returns the attributes that the client's method repeats.
    pub(crate) fn client_attributes(&self) -> impl Iterator<Item = &Attribute> {
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
