//! Description of a service: the names, documentation and flags of its methods, as constants.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::ext::IdentExt;
use syn::{Attribute, Expr, ExprLit, Lit, Meta, Path, PathArguments, Type};

use crate::attribute_parts::{self, AttributePart};
use crate::definition::Definition;
use crate::method::{Argument, Method};

/// Returns an expression of the description.
pub(crate) fn expand(definition: &Definition) -> TokenStream {
    let Definition { item, methods, module, krate, .. } = definition;
    let docs = docs(&item.attrs);
    let methods = methods.iter().map(|method| expand_method(definition, method));
    // In a constant, so that nothing is built at run time.
    quote! {
        #krate::describe::ServiceInfo::new(#module::SCHEMA).docs(#docs).methods(const { &[#(#methods),*] })
    }
}

fn expand_method(definition: &Definition, method: &Method) -> TokenStream {
    let Definition { module, krate, has_schema, .. } = definition;
    let Method { message, options, attributes, arguments, items, output, .. } = method;
    let schema = |ty: &Type| has_schema.then(|| type_schema(krate, ty));
    let docs = docs(attributes);
    let mut info = quote!(#krate::describe::MethodInfo::of::<#module::#message>());
    if !docs.to_string().eq("\"\"") {
        info.extend(quote!(.docs(#docs)));
    }
    if !arguments.is_empty() {
        let arguments = arguments.iter().map(|argument| {
            let name = argument.ident().unraw().to_string();
            let optional = is_optional(argument).then(|| quote!(.optional()));
            let schema = schema(&argument.ty).map(|schema| quote!(.schema(#schema)));
            quote!(#krate::describe::ArgumentInfo::new(#name) #optional #schema)
        });
        info.extend(quote!(.arguments(const { &[#(#arguments),*] })));
    }
    if let Some(items) = items {
        let name = items.ident().unraw().to_string();
        let schema = schema(&items.item).map(|schema| quote!(.schema(#schema)));
        info.extend(quote!(.takes(#krate::describe::ArgumentInfo::new(#name) #schema)));
    }
    match &output.item {
        Some(item) => {
            info.extend(quote!(.streams()));
            info.extend(schema(item).map(|schema| quote!(.items(#schema))));
        }
        None => info.extend(schema(&output.reply).map(|schema| quote!(.reply(#schema)))),
    }
    let error = output.error.as_ref().and_then(schema);
    info.extend(error.map(|schema| quote!(.error(#schema))));
    if options.blocking.is_some() {
        info.extend(quote!(.blocking()));
    }
    info
}

fn type_schema(krate: &Path, ty: &Type) -> TokenStream {
    quote!(#krate::describe::TypeSchema::of::<#ty>())
}

/// Returns `true` if the argument may be missing: it is an `Option`, or has a default.
fn is_optional(argument: &Argument) -> bool {
    let is_default = |part: &AttributePart| {
        part.is(&["serde"]) && part.meta.to_token_stream().to_string().contains("default")
    };
    is_option(&argument.ty) || attribute_parts::parts(&argument.attributes).iter().any(is_default)
}

fn is_option(ty: &Type) -> bool {
    match ty {
        Type::Path(path) => path.path.segments.last().is_some_and(|last| {
            last.ident == "Option" && matches!(last.arguments, PathArguments::AngleBracketed(_))
        }),
        Type::Group(group) => is_option(&group.elem),
        Type::Paren(paren) => is_option(&paren.elem),
        _ => false,
    }
}

/// Returns the documentation as an expression of a string. Leaves out what depends on a condition.
fn docs(attributes: &[Attribute]) -> TokenStream {
    let mut parts = attribute_parts::parts(attributes);
    parts.retain(|part| part.is_doc_text() && part.conditions.is_empty());
    let mut texts: Vec<TokenStream> = Vec::new();
    let mut text = String::new();
    for part in &parts {
        let Meta::NameValue(doc) = &part.meta else { continue };
        match &doc.value {
            Expr::Lit(ExprLit { lit: Lit::Str(line), .. }) => {
                let line = line.value();
                text.push_str(line.strip_prefix(' ').unwrap_or(&line));
            }
            // Such as `include_str!("guide.md")`.
            other => {
                let before = std::mem::take(&mut text);
                texts.extend([before.to_token_stream(), other.to_token_stream()]);
            }
        }
        text.push('\n');
    }
    let text = text.trim_end();
    if texts.is_empty() { text.to_token_stream() } else { quote!(::core::concat!(#(#texts,)* #text)) }
}

#[cfg(test)]
mod tests {
    use syn::parse_quote;

    use super::*;
    use crate::token_text;

    #[test]
    fn documentation_is_one_text() {
        let attributes: Vec<Attribute> = vec![
            parse_quote!(#[doc = " Adds."]),
            parse_quote!(#[doc = ""]),
            parse_quote!(#[doc = "  - indented"]),
            parse_quote!(#[cfg_attr(test, doc = "left out")]),
            parse_quote!(#[doc(hidden)]),
        ];
        assert_eq!(docs(&attributes).to_string(), r#""Adds.\n\n - indented""#);
        assert_eq!(docs(&[]).to_string(), r#""""#);
        let included = docs(&[parse_quote!(#[doc = "A"]), parse_quote!(#[doc = include_str!("b.md")])]);
        assert_eq!(
            token_text::of_tokens(included),
            r#"::core::concat!("A\n", include_str!("b.md"), "",)"#.replace(r#""",)"#, r#""")"#)
        );
    }

    #[test]
    fn options_and_defaults_may_be_missing() {
        assert!(is_option(&parse_quote!(::core::option::Option<u8>)));
        for required in [parse_quote!(Optional<u8>), parse_quote!(Vec<Option<u8>>), parse_quote!(Option)] {
            assert!(!is_option(&required));
        }
    }
}
