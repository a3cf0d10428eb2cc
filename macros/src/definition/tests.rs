//! Each mistake is refused, with an error at the right tokens that names a remedy.

use super::*;
use crate::errors::assert_refused;

fn parsed(options: &str, item: &str) -> syn::Result<Definition> {
    let parse = |text: &str| text.parse::<TokenStream>().expect("tokens");
    Definition::parse(parse(options), parse(item))
}

/// Asserts the errors of a trait with this body: the tokens at their spans, and a part of each
/// text.
#[track_caller]
fn refused(body: &str, expected: &[(&str, &str)]) {
    refused_item("", &format!("trait Calculator {{ {body} }}"), expected);
}

#[track_caller]
fn refused_item(options: &str, item: &str, expected: &[(&str, &str)]) {
    assert_refused(parsed(options, item), expected);
}

#[test]
fn wrong_signatures_are_refused() {
    refused("fn a(&self);", &[("fn", "write `async fn a`")]);
    refused("fn a(&self);", &[("fn", "`#[message(blocking)]`")]);
    refused("#[message(blocking)] async fn a(&self);", &[("async", "remove `async`, or `blocking`")]);
    refused("async fn a();", &[("a", "write `a(&self, ..)`")]);
    refused("async fn a(&mut self);", &[("&mut self", "behind a `Mutex` or an atomic")]);
    refused("async fn a(self: Arc<Self>);", &[("self: Arc<Self>", "take `&self`")]);
    refused("async fn a(&self) {}", &[("{}", "move this body to the worker's implementation")]);
    refused(
        "async fn a<T>(&self) where T: B;",
        &[("T", "generic parameters"), ("where T: B", "`where` clause")],
    );
    refused("async fn a<'a>(&self);", &[("'a", "generic parameters")]);
    refused(
        "async fn a<'a>(&'a self, b: u8) -> u8;",
        &[("'a", "generic parameters"), ("&'a self", "take `&self`")],
    );
    refused("async fn a(&'static self);", &[("&'static self", "take `&self`")]);
    refused("async fn a<const N: usize>(&self, b: [u8; N]);", &[("const N: usize", "generic parameters")]);
    refused("async fn a(self);", &[("self", "take `&self`")]);
    refused(
        "async unsafe extern \"C\" fn a(&self);",
        &[("unsafe", "cannot be `unsafe`"), ("extern \"C\"", "remove the ABI")],
    );
    refused("const async fn a(&self);", &[("const", "cannot be `const`")]);
    refused("#[cfg(unix)] async fn a(&self);", &[("cfg(unix)", "put `#[cfg]` on the trait")]);
    refused("#[cfg_attr(a, cfg(b))] async fn a(&self);", &[("cfg(b)", "put `#[cfg]` on the trait")]);
    refused(
        "#[cfg_attr(a, message(oneway))] async fn a(&self);",
        &[("message(oneway)", "remove the `cfg_attr`, or put `#[cfg]` on the trait")],
    );
    for name in ["into", "try_into"] {
        refused(&format!("async fn {name}(&self);"), &[(name, "rename the method")]);
    }
    for name in ["new", "service", "into_service"] {
        refused(&format!("async fn {name}(&self);"), &[(name, "rename the method")]);
    }
}

#[test]
fn arguments_and_replies_that_cannot_be_sent_are_refused() {
    refused("async fn a(&self, b: &str);", &[("&str", "take `String` instead of `&str`")]);
    refused("async fn a(&self, b: impl Fn());", &[("impl Fn()", "name it instead of `impl Trait`")]);
    refused("async fn a(&self, (b, c): (u8, u8));", &[("(b, c)", "needs a plain name")]);
    refused("async fn a(&self, mut b: u8);", &[("mut b", "needs a plain name")]);
    refused("async fn a(&self) -> Self;", &[("Self", "name a type that both know")]);
    refused(
        "async fn a(&self) -> io::Result<u8>;",
        &[("io::Result<u8>", "write both types, `Result<T, E>`")],
    );
    refused("async fn a(&self) -> fmt::Result;", &[("fmt::Result", "write both types, `Result<T, E>`")]);
}

#[test]
fn a_context_must_be_the_first_argument_by_value() {
    let first = "the first argument";
    refused("async fn a(&self, b: u8, context: Context);", &[("context: Context", first)]);
    refused("async fn a(&self, one: Context, two: iw::Context);", &[("two: iw::Context", first)]);
    refused("async fn a(&self, context: &Context);", &[("&Context", "take `Context` by value")]);
    refused("async fn a(&self, _: Context);", &[("_", "needs a plain name")]);
    refused("async fn a(&self, #[serde(skip)] c: Context);", &[("#[serde(skip)]", "remove this one")]);
}

#[test]
fn the_context_is_not_part_of_the_client_or_the_fingerprint() {
    let with = "trait A { async fn a(&self, context: iw::Context, b: u8); }";
    let without = "trait A { async fn a(&self, b: u8); }";
    let [with, without] = [with, without].map(|item| parsed("", item).expect("a definition"));
    assert_eq!(
        with.methods[0].call(&TokenStream::new()).to_string(),
        without.methods[0].call(&TokenStream::new()).to_string()
    );
    assert_eq!(with.methods[0].declaration().to_string(), "a (& self , context : iw :: Context , b : u8)");
    assert_eq!(crate::fingerprint::of(&with.methods), crate::fingerprint::of(&without.methods));
}

#[test]
fn wrong_attributes_are_refused() {
    let cases = [
        (
            "#[message(onway)]",
            "onway",
            "use one of `oneway`, `blocking`, `timeout`, `idle`, `idempotent`, `retry`, `name`",
        ),
        ("#[message(oneway = true)]", "oneway", "takes no value"),
        ("#[message(blocking = true)]", "blocking", "takes no value"),
        ("#[message(timeout = 60)]", "60", "a duration, as in `timeout = \"60s\"`"),
        ("#[message(timeout = \"60\")]", "\"60\"", "`60` is not a duration"),
        ("#[message(retry = -1)]", "-1", "as in `retry = 3`"),
        ("#[message(retry)]", "retry", "as in `retry = 3`"),
        ("#[message(retry = 1, retry = 2)]", "retry", "is given twice"),
        ("#[message(oneway, retry = 2)]", "retry", "cannot be retried"),
        ("#[message(name = \"\")]", "\"\"", "cannot be empty"),
    ];
    for (attribute, at, part) in cases {
        refused(&format!("{attribute} async fn a(&self);"), &[(at, part)]);
    }
    refused("#[message(oneway)] async fn a(&self) -> u8;", &[("u8", "has no reply")]);
    refused_item("modul = x", "trait A {}", &[("modul", "use one of `module`, `derive`, `schema`, `crate`")]);
}

#[test]
fn duplicate_names_are_refused() {
    let same = "async fn add_all(&self); async fn addAll(&self);";
    refused(same, &[("addAll", "`add_all` and `addAll` both need a message `AddAll`")]);
    let wire = "async fn a(&self); #[message(name = \"a\")] async fn b(&self);";
    refused(wire, &[("\"a\"", "already has this name")]);
    refused("async fn request(&self);", &[("request", "the enum of all messages")]);
    refused("async fn add(&self, a: u8, r#a: u8);", &[("r#a", "is already an argument")]);
    refused("async fn SCHEMA(&self);", &[("SCHEMA", "the schema of the service")]);
    for (options, item, at) in [
        ("", "trait calc {}", "calc"),
        ("module = Calc", "trait Calc {}", "Calc"),
        ("module = CalcClient", "trait Calc {}", "Calc"),
    ] {
        refused_item(options, item, &[(at, "`#[service(module = name)]`")]);
    }
}

#[test]
fn invalid_traits_are_refused() {
    refused_item("", "struct Calculator;", &[("struct Calculator;", "belongs on a trait")]);
    refused_item("", "unsafe trait A {}", &[("unsafe", "cannot be an `unsafe` trait")]);
    refused_item("", "auto trait A {}", &[("auto", "remove `auto`")]);
    refused_item("", "trait A<T> {}", &[("T", "generic parameters")]);
    refused("type A;", &[("type A;", "cannot have associated types")]);
    refused("const A: u8;", &[("const A: u8;", "make it a method")]);
}

#[test]
fn async_trait_is_refused_once() {
    let advice = "remove it here and at `impl` blocks";
    refused_item(
        "",
        "#[async_trait::async_trait] trait A { async fn a(&self); }",
        &[("#[async_trait::async_trait]", advice)],
    );
    let changed = "trait A { fn a<'life0, 'async_trait>(&'life0 self, b: u8) \
        -> Pin<Box<dyn Future<Output = u8> + Send + 'async_trait>> where 'life0: 'async_trait; }";
    refused_item("", changed, &[("a", advice)]);
}

#[test]
fn all_errors_are_reported_at_once() {
    let body = "fn a(&mut self, b: &str); async fn c() -> Self;";
    let expected =
        [("fn", "async"), ("&mut self", "Mutex"), ("&str", "String"), ("c", "&self"), ("Self", "both know")];
    refused(body, &expected);
}

#[test]
fn valid_definitions_are_accepted() {
    let body = "/// Adds.
        async fn add(&self, #[serde(default)] a: i64) -> Result<i64, String>;
        #[message(timeout = \"60s\", retry = 3, name = \"remove\")] async fn r#type(&self) -> Vec<u8>;
        #[message(oneway)] async fn log(&self, line: String);
        #[message(blocking)] fn sum(&self, terms: Vec<i64>) -> i64;";
    let options = "module = sums, derive(Debug), crate = crate";
    let definition =
        parsed(options, &format!("pub trait Calculator: Debug {{ {body} }}")).expect("a definition");
    assert_eq!(definition.module, "sums");
    let names: Vec<_> =
        definition.methods.iter().map(|method| (method.message.to_string(), method.wire_name())).collect();
    assert_eq!(
        names,
        [("Add", "add"), ("Type", "remove"), ("Log", "log"), ("Sum", "sum")]
            .map(|(a, b)| (a.to_owned(), b.to_owned()))
    );
    assert!(parsed("", "trait Empty {}").is_ok());
}
