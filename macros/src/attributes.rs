//! Keys of the attributes `#[service(..)]`, `#[message(..)]` and `#[main(..)]`.
//!
//! To add a key, add a field and a `match` arm here, and document it in `lib.rs`.

use std::fmt::Display;
use std::time::Duration;

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::meta::ParseNestedMeta;
use syn::parse::{Parse, Parser};
use syn::spanned::Spanned;
use syn::{Attribute, Expr, Ident, LitInt, LitStr, Path, Token, parse_quote};

use crate::duration;

/// Options of a service: `#[service(module = name, derive(Debug, Clone), schema, crate = path)]`.
#[derive(Default)]
pub(crate) struct ServiceOptions {
    pub(crate) module: Option<Ident>,
    pub(crate) derives: Vec<Path>,
    /// The key `schema`, if the types have a JSON Schema.
    pub(crate) schema: Option<Path>,
    krate: Option<Path>,
}

impl ServiceOptions {
    pub(crate) fn parse(tokens: TokenStream) -> syn::Result<Self> {
        let mut options = Self::default();
        let parser = syn::meta::parser(|key| match name(&key.path).as_str() {
            "module" => {
                set(&mut options.module, &key, value(&key, "the name of a module, as in `module = math`")?)
            }
            "derive" => key.parse_nested_meta(|derive| {
                options.derives.push(derive.path);
                Ok(())
            }),
            "schema" if key.input.peek(Token![=]) => Err(error(&key.path, "`schema` takes no value")),
            "schema" if !cfg!(feature = "schema") => {
                Err(error(&key.path, "`schema` needs the feature `schema` of isolated-workers: enable it"))
            }
            "schema" => set(&mut options.schema, &key, key.path.clone()),
            "crate" => set(&mut options.krate, &key, value(&key, CRATE)?),
            _ => Err(unknown(&key, &["module", "derive", "schema", "crate"])),
        });
        parser.parse2(tokens)?;
        Ok(options)
    }

    pub(crate) fn krate(&self) -> Path {
        self.krate.clone().unwrap_or_else(facade)
    }
}

/// Options of a message:
/// `#[message(oneway, blocking, timeout = "60s", idle = "5s", idempotent, retry = 3, name = "wireName")]`.
#[derive(Default)]
pub(crate) struct MessageOptions {
    /// The key `oneway`, for error spans.
    pub(crate) oneway: Option<Path>,
    /// The key `blocking`, for error spans.
    pub(crate) blocking: Option<Path>,
    pub(crate) timeout: Option<Duration>,
    /// Maximum time between items, and the key `idle` for error spans.
    pub(crate) idle: Option<(Duration, Path)>,
    /// The key `idempotent`, for error spans.
    pub(crate) idempotent: Option<Path>,
    /// Number of further attempts, and the key `retry` for error spans.
    pub(crate) retry: Option<(u32, Path)>,
    pub(crate) name: Option<LitStr>,
}

impl MessageOptions {
    /// Removes the `#[message]` attributes from `attributes` and parses them.
    pub(crate) fn take(attributes: &mut Vec<Attribute>) -> syn::Result<Self> {
        let mut options = Self::default();
        for attribute in attributes.extract_if(.., |attribute| attribute.path().is_ident("message")) {
            attribute.parse_nested_meta(|key| options.set(&key))?;
        }
        match (&options.oneway, &options.retry) {
            (Some(_), Some((_, key))) => {
                let problem = "a oneway message cannot be retried, because its outcome is not reported";
                Err(error(key, format!("{problem}: remove `retry` or `oneway`")))
            }
            _ => Ok(options),
        }
    }

    fn set(&mut self, key: &ParseNestedMeta<'_>) -> syn::Result<()> {
        match name(&key.path).as_str() {
            "oneway" if key.input.peek(Token![=]) => Err(error(&key.path, "`oneway` takes no value")),
            "oneway" => set(&mut self.oneway, key, key.path.clone()),
            "blocking" if key.input.peek(Token![=]) => Err(error(&key.path, "`blocking` takes no value")),
            "blocking" => set(&mut self.blocking, key, key.path.clone()),
            "timeout" => {
                let literal = value(key, "a duration, as in `timeout = \"60s\"`")?;
                set(&mut self.timeout, key, duration::parse(&literal)?)
            }
            "idle" => {
                let literal = value(key, "a duration, as in `idle = \"5s\"`")?;
                set(&mut self.idle, key, (duration::parse(&literal)?, key.path.clone()))
            }
            "retry" => {
                const RETRY: &str = "the number of further attempts, as in `retry = 3`";
                let literal: LitInt = value(key, RETRY)?;
                let times = literal.base10_parse().map_err(|_| error(&literal, wants("retry", RETRY)))?;
                set(&mut self.retry, key, (times, key.path.clone()))
            }
            "name" => {
                let literal: LitStr = value(key, "the name on the wire, as in `name = \"add\"`")?;
                if literal.value().is_empty() {
                    return Err(error(
                        &literal,
                        "the name of a message cannot be empty: write one, or remove `name`",
                    ));
                }
                set(&mut self.name, key, literal)
            }
            "idempotent" if key.input.peek(Token![=]) => Err(error(&key.path, "`idempotent` takes no value")),
            "idempotent" => set(&mut self.idempotent, key, key.path.clone()),
            _ => Err(unknown(key, &["oneway", "blocking", "timeout", "idle", "idempotent", "retry", "name"])),
        }
    }
}

/// Options of a function:
/// `#[offload(timeout = "60s", idempotent, retry = 3, crate = path)]`.
#[derive(Default)]
pub(crate) struct OffloadOptions {
    /// Options of the message, of which only those are set.
    pub(crate) message: MessageOptions,
    krate: Option<Path>,
}

impl OffloadOptions {
    pub(crate) fn parse(tokens: TokenStream) -> syn::Result<Self> {
        let mut options = Self::default();
        let parser = syn::meta::parser(|key| match name(&key.path).as_str() {
            "timeout" | "idempotent" | "retry" => options.message.set(&key),
            "crate" => set(&mut options.krate, &key, value(&key, CRATE)?),
            _ => Err(unknown(&key, &["timeout", "idempotent", "retry", "crate"])),
        });
        parser.parse2(tokens)?;
        Ok(options)
    }

    pub(crate) fn krate(&self) -> Path {
        self.krate.clone().unwrap_or_else(facade)
    }
}

/// Options of a program: `#[main(codec = expression, crate = path)]`.
#[derive(Default)]
pub(crate) struct MainOptions {
    pub(crate) codec: Option<Expr>,
    krate: Option<Path>,
}

impl MainOptions {
    pub(crate) fn parse(tokens: TokenStream) -> syn::Result<Self> {
        let mut options = Self::default();
        let parser = syn::meta::parser(|key| match name(&key.path).as_str() {
            "codec" => set(&mut options.codec, &key, value(&key, CODEC)?),
            "crate" => set(&mut options.krate, &key, value(&key, CRATE)?),
            _ => Err(unknown(&key, &["codec", "crate"])),
        });
        parser.parse2(tokens)?;
        Ok(options)
    }

    pub(crate) fn krate(&self) -> Path {
        self.krate.clone().unwrap_or_else(facade)
    }
}

/// Options of a test: `#[test(serve = expression, codec = expression, crate = path)]`.
#[derive(Default)]
pub(crate) struct TestOptions {
    pub(crate) serve: Option<Expr>,
    pub(crate) codec: Option<Expr>,
    krate: Option<Path>,
}

impl TestOptions {
    pub(crate) fn parse(tokens: TokenStream) -> syn::Result<Self> {
        const SERVE: &str = "the handler of the worker, as in `serve = MyCalculator.into_service()`";
        let mut options = Self::default();
        let parser = syn::meta::parser(|key| match name(&key.path).as_str() {
            "serve" => set(&mut options.serve, &key, value(&key, SERVE)?),
            "codec" => set(&mut options.codec, &key, value(&key, CODEC)?),
            "crate" => set(&mut options.krate, &key, value(&key, CRATE)?),
            _ => Err(unknown(&key, &["serve", "codec", "crate"])),
        });
        parser.parse2(tokens)?;
        Ok(options)
    }

    pub(crate) fn krate(&self) -> Path {
        self.krate.clone().unwrap_or_else(facade)
    }
}

const CODEC: &str = "an expression, as in `codec = Postcard`";
const CRATE: &str = "the path of isolated-workers, as in `crate = ::isolated_workers`";

fn facade() -> Path {
    parse_quote!(::isolated_workers)
}

fn name(path: &Path) -> String {
    path.get_ident().map(Ident::to_string).unwrap_or_default()
}

/// Parses the value after `=`. Errors describe the value as `expected`.
fn value<T: Parse>(key: &ParseNestedMeta<'_>, expected: &str) -> syn::Result<T> {
    let explain = |span| syn::Error::new(span, wants(&name(&key.path), expected));
    let value = key.value().map_err(|_| explain(key.path.span()))?;
    value.parse().map_err(|error| explain(error.span()))
}

fn wants(key: &str, expected: &str) -> String {
    format!("`{key}` takes {expected}")
}

fn set<T>(slot: &mut Option<T>, key: &ParseNestedMeta<'_>, value: T) -> syn::Result<()> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(error(&key.path, format!("`{}` is given twice: remove one", name(&key.path)))),
    }
}

fn unknown(key: &ParseNestedMeta<'_>, known: &[&str]) -> syn::Error {
    let keys = known.join("`, `");
    error(&key.path, format!("unknown key `{}`: use one of `{keys}`", key.path.to_token_stream()))
}

fn error(tokens: impl ToTokens, message: impl Display) -> syn::Error {
    syn::Error::new_spanned(tokens, message)
}
