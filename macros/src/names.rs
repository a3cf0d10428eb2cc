//! Names of generated items: method `add_all` gets the message `AddAll`, trait `HttpServer` the
//! module `http_server`.

use std::fmt::Display;

use proc_macro2::{Ident, Span};
use syn::ext::IdentExt;

/// Names in the generated module that no message can have, and the items that have them.
pub(crate) const RESERVED: [(&str, &str); 2] =
    [("Request", "the enum of all messages"), ("SCHEMA", "the schema of the service")];

/// Span of generated code at the place of `span`. Lints are not reported there.
pub(crate) fn generated_at(span: Span) -> Span {
    Span::call_site().located_at(span)
}

/// Name of a variable in generated code. An argument of the same name is another variable. A
/// constant or static is not: it would turn the variable into a pattern. Therefore the underscores.
pub(crate) fn local(name: impl Display) -> Ident {
    Ident::new(&format!("__{name}"), Span::mixed_site())
}

/// Name of a method's message.
pub(crate) fn message(method: &Ident) -> Ident {
    let name: String = method.unraw().to_string().split('_').map(capitalized).collect();
    identifier(&name, generated_at(method.span()))
}

fn capitalized(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// Name of a service's module.
pub(crate) fn module(service: &Ident) -> Ident {
    identifier(&snake_case(&service.unraw().to_string()), generated_at(service.span()))
}

fn snake_case(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    let mut snake = String::new();
    for (index, letter) in letters.iter().enumerate() {
        let previous = index.checked_sub(1).map(|index| letters[index]);
        let starts_word = letter.is_uppercase()
            && previous.is_some_and(|previous| {
                let ends_acronym = letters.get(index + 1).is_some_and(|next| next.is_lowercase());
                previous != '_' && (!previous.is_uppercase() || ends_acronym)
            });
        if starts_word {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    snake
}

/// Returns `name`, or `r#name` for a keyword, or `_name_` if `name` cannot be raw (`crate`) or is
/// not an identifier (`2`).
fn identifier(name: &str, span: Span) -> Ident {
    let candidates = [name.to_owned(), format!("r#{name}")];
    let parsed = candidates.iter().find_map(|candidate| syn::parse_str::<Ident>(candidate).ok());
    let mut ident = parsed.unwrap_or_else(|| Ident::new(&format!("_{name}_"), span));
    ident.set_span(span);
    ident
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ident(name: &str) -> Ident {
        syn::parse_str(name).expect("an identifier")
    }

    #[test]
    fn methods_give_names_to_messages() {
        let cases = [
            ("add", "Add"),
            ("add_all", "AddAll"),
            ("r#type", "Type"),
            ("_poke", "Poke"),
            ("getUrl", "GetUrl"),
            ("_1", "_1_"),
            ("__", "__"),
            ("self_", "_Self_"),
        ];
        for (method, expected) in cases {
            assert_eq!(message(&ident(method)), expected);
        }
    }

    #[test]
    fn traits_give_names_to_modules() {
        let cases = [
            ("Calculator", "calculator"),
            ("ImageCodec", "image_codec"),
            ("HTTPServer", "http_server"),
            ("Http2Server", "http2_server"),
            ("Loop", "r#loop"),
            ("Odd_Name", "odd_name"),
            ("Crate", "_crate_"),
        ];
        for (service, expected) in cases {
            assert_eq!(module(&ident(service)), expected);
        }
    }
}
