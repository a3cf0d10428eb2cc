//! A method of a service, and the names of the items generated for it.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{IdentFragment, ToTokens, format_ident, quote};
use syn::ext::IdentExt;
use syn::{Attribute, LitStr, Type};

use crate::attribute_parts::{self, AttributePart};
use crate::attributes::MessageOptions;
use crate::names::generated_at;
use crate::type_check;

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
    /// Items that the caller sends, if a parameter is a `Streaming`.
    pub(crate) items: Option<ItemsArgument>,
    pub(crate) output: Output,
}

/// Argument: a parameter of the method, and a field of the message.
pub(crate) struct Argument {
    /// Name as written in the trait, where lints about it are reported.
    pub(crate) written: Ident,
    pub(crate) ty: Type,
    /// Attributes of the field: documentation, and the attributes of serde and other derives.
    pub(crate) attributes: Vec<Attribute>,
}

/// Parameter for the items of the caller. It is no field of the message.
pub(crate) struct ItemsArgument {
    /// Number of arguments before it.
    pub(crate) index: usize,
    pub(crate) written: Ident,
    /// The type as written: `Streaming<Page>`.
    pub(crate) ty: Type,
    pub(crate) item: Type,
}

/// Return type of a method.
pub(crate) struct Output {
    /// The type as written: `Result<i64, DivideError>`.
    pub(crate) ty: Type,
    pub(crate) reply: Type,
    /// The method's own error, if it returns a `Result` or a stream of them.
    pub(crate) error: Option<Type>,
    /// Item of the stream that the method returns, if it returns one. The reply is then `()`.
    pub(crate) item: Option<Type>,
}

impl Method {
    /// Span for errors about the code generated for this method.
    pub(crate) fn span(&self) -> Span {
        generated_at(self.ident.span())
    }

    /// Name of the message on the wire.
    pub(crate) fn wire_name(&self) -> String {
        self.options.name.as_ref().map_or_else(|| self.ident.unraw().to_string(), LitStr::value)
    }

    /// Returns the signature that callers see, without the context: `add(&self, a: i64, b: i64)`.
    /// `items_trait`: trait of the items of the caller.
    pub(crate) fn call(&self, items_trait: &TokenStream) -> TokenStream {
        let mut ident = self.ident.clone();
        ident.set_span(self.span());
        let parameters = self.parameters(Argument::ident, |items| {
            let (name, item) = (items.ident(), &items.item);
            quote!(#name: impl #items_trait<#item>)
        });
        quote!(#ident(&self #(, #parameters)*))
    }

    /// Returns the signature with all parameters: `add(&self, context: Context, a: i64, b: i64)`.
    pub(crate) fn declaration(&self) -> TokenStream {
        let Self { ident, .. } = self;
        let context = self.context.iter().map(|(name, ty)| quote!(#name: #ty));
        let parameters = self.parameters(
            |argument| argument.written.clone(),
            |ItemsArgument { written, ty, .. }| quote!(#written: #ty),
        );
        let parameters = context.chain(parameters);
        quote!(#ident(&self #(, #parameters)*))
    }

    fn parameters(
        &self,
        name: impl Fn(&Argument) -> Ident,
        items: impl Fn(&ItemsArgument) -> TokenStream,
    ) -> impl Iterator<Item = TokenStream> {
        let mut parameters: Vec<TokenStream> = self
            .arguments
            .iter()
            .map(|argument| {
                let (name, ty, lints) = (name(argument), &argument.ty, argument.lint_levels());
                quote!(#(#lints)* #name: #ty)
            })
            .collect();
        self.insert_items(&mut parameters, items);
        parameters.into_iter()
    }

    /// Inserts what `items` makes of the items of the caller into a list of the arguments.
    pub(crate) fn insert_items<T>(&self, list: &mut Vec<T>, items: impl FnOnce(&ItemsArgument) -> T) {
        if let Some(argument) = &self.items {
            list.insert(argument.index.min(list.len()), items(argument));
        }
    }

    /// Returns `Add { a, b }`, as an expression or a pattern, or `Reset` if there are no arguments.
    pub(crate) fn fields(&self) -> TokenStream {
        let Self { message, .. } = self;
        if self.arguments.is_empty() {
            return message.to_token_stream();
        }
        let names = self.arguments.iter().map(Argument::ident);
        quote!(#message { #(#names),* })
    }

    /// Name of an alias for a type of this method: `Add_a`.
    pub(crate) fn alias(&self, of: impl IdentFragment) -> Ident {
        format_ident!("{}_{}", self.message, of)
    }

    /// Returns the attributes that the client's method repeats.
    pub(crate) fn client_attributes(&self) -> impl Iterator<Item = AttributePart> {
        let repeated = |part: &AttributePart| part.is(&["doc", "deprecated"]);
        attribute_parts::parts(&self.attributes).into_iter().filter(repeated).chain(self.lint_levels())
    }

    /// Returns the attributes that the message repeats.
    pub(crate) fn message_attributes(&self) -> impl Iterator<Item = AttributePart> {
        let parts = attribute_parts::parts(&self.attributes);
        parts.into_iter().filter(AttributePart::is_doc_setting).chain(self.lint_levels())
    }

    pub(crate) fn lint_levels(&self) -> Vec<AttributePart> {
        attribute_parts::lint_levels(&self.attributes)
    }
}

impl ItemsArgument {
    /// Name in generated code.
    pub(crate) fn ident(&self) -> Ident {
        let mut ident = self.written.clone();
        ident.set_span(generated_at(self.written.span()));
        ident
    }
}

impl Argument {
    /// Name in generated code.
    pub(crate) fn ident(&self) -> Ident {
        let mut ident = self.written.clone();
        ident.set_span(self.span());
        ident
    }

    pub(crate) fn span(&self) -> Span {
        generated_at(self.written.span())
    }

    /// Returns `true` if the argument is sent as bytes, unless it is written otherwise.
    pub(crate) fn is_bytes(&self) -> bool {
        type_check::is_byte_vec(&self.ty) || type_check::is_named_bytes(&self.ty)
    }

    pub(crate) fn is_documented(&self) -> bool {
        attribute_parts::parts(&self.attributes).iter().any(AttributePart::is_doc_text)
    }

    pub(crate) fn lint_levels(&self) -> Vec<AttributePart> {
        attribute_parts::lint_levels(&self.attributes)
    }
}
