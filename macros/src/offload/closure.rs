//! `offload::closure!`: offloads a closure that captures nothing.

use std::collections::BTreeSet;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote};
use syn::parse::{Parse, ParseStream};
use syn::visit_mut::{self, VisitMut};
use syn::{
    Expr, ExprCall, ExprClosure, ExprMethodCall, ExprPath, FnArg, Item, ItemFn, Pat, PatIdent, PatType,
    ReturnType, Token, Visibility, parse_quote,
};

use super::Calls;
use crate::attributes::OffloadOptions;
use crate::errors::Errors;
use crate::names::local;

/// Name of the function in generated code.
const NAME: &str = "offloaded_closure";

/// Expands the macro to an expression. Several errors need the block around them.
pub(crate) fn expand(tokens: TokenStream) -> TokenStream {
    let expanded = generate(tokens).unwrap_or_else(|error| error.to_compile_error());
    quote!({ #expanded })
}

fn generate(tokens: TokenStream) -> syn::Result<TokenStream> {
    let Input { pool, closure } = syn::parse2(tokens)?;
    let mut errors = Errors::default();
    let function = function(&closure, &mut errors);
    find_captures(&closure, &mut errors);
    let calls = Calls::read(function.clone(), OffloadOptions::default(), "{closure}", &mut errors);
    let calls = errors.finish(calls)?.generate();
    let (service, name) = (local("service"), &function.sig.ident);
    let variables: Vec<Ident> =
        (0..closure.inputs.len()).map(|index| local(format_args!("argument{index}"))).collect();
    let types = function.sig.inputs.iter().filter_map(|input| match input {
        FnArg::Typed(PatType { ty, .. }) => Some(ty),
        FnArg::Receiver(_) => None,
    });
    let item = if let [variable] = &variables[..] { quote!(#variable) } else { quote!((#(#variables),*)) };
    Ok(quote! {
        #function
        #calls
        let #service = #pool;
        move |#(#variables: #types),*| #name::task(::core::clone::Clone::clone(&#service), #item)
    })
}

struct Input {
    pool: Expr,
    closure: ExprClosure,
}

impl Parse for Input {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        const EXPECTED: &str = "`offload::closure!` takes a pool or a worker, and a closure: `closure!(pool, |n: u64| -> u64 { n + 1 })`";
        let expected = |span: Span| syn::Error::new(span, EXPECTED);
        let pool = input.parse().map_err(|_| expected(input.span()))?;
        input.parse::<Token![,]>().map_err(|error| expected(error.span()))?;
        let closure = match input.parse() {
            Ok(Expr::Closure(closure)) => closure,
            Ok(other) => return Err(syn::Error::new_spanned(other, EXPECTED)),
            Err(_) => return Err(expected(input.span())),
        };
        input.parse::<Option<Token![,]>>()?;
        if input.is_empty() { Ok(Self { pool, closure }) } else { Err(expected(input.span())) }
    }
}

/// Returns the closure as a function. Adds an error if a type is missing.
fn function(closure: &ExprClosure, errors: &mut Errors) -> ItemFn {
    let ExprClosure { attrs, asyncness, inputs, output, body, .. } = closure;
    let inputs = inputs.iter().map(|input| match input {
        Pat::Type(PatType { pat, ty, .. }) => quote!(#pat: #ty),
        untyped => {
            errors.at(untyped, "the argument is sent to another process and needs a type, as in `|n: u64|`");
            quote!(#untyped: ())
        }
    });
    let inputs: Vec<TokenStream> = inputs.collect();
    if let ReturnType::Default = output {
        errors.at(
            closure,
            "the result is sent from another process and needs a type, as in `|n: u64| -> u64 { n + 1 }`",
        );
    }
    let name = format_ident!("{NAME}", span = Span::mixed_site());
    let block = match &**body {
        Expr::Block(block) if block.attrs.is_empty() && block.label.is_none() => block.block.clone(),
        body => parse_quote!({ #body }),
    };
    let sig = parse_quote!(#asyncness fn #name(#(#inputs),*) #output);
    ItemFn {
        attrs: attrs.clone(),
        vis: Visibility::Inherited,
        modifiers: Default::default(),
        sig,
        block: Box::new(block),
    }
}

/// Adds an error for each variable that the closure captures, as far as a macro can tell it from a
/// function. The compiler reports the others.
fn find_captures(closure: &ExprClosure, errors: &mut Errors) {
    if let Some(token) = &closure.capture {
        errors.at(token, "the closure runs in another process and can capture nothing: remove `move`");
    }
    let mut bound = BoundNames::default();
    bound.visit_expr_closure_mut(&mut closure.clone());
    let mut captures = Captures { bound: bound.0, found: Vec::new() };
    captures.visit_expr_mut(&mut closure.body.clone());
    for name in captures.found {
        let problem = format!("`{name}` is a variable of this process, and the closure runs in another one");
        let advice = if name == "self" { "pass its fields".to_owned() } else { format!("add `{name}: T`") };
        errors.at(&name, format!("{problem}: {advice} as an argument of the closure"));
    }
}

/// Names that a pattern or an item in the closure defines, wherever it is.
#[derive(Default)]
struct BoundNames(BTreeSet<String>);

impl VisitMut for BoundNames {
    fn visit_pat_ident_mut(&mut self, node: &mut PatIdent) {
        self.0.insert(node.ident.to_string());
        visit_mut::visit_pat_ident_mut(self, node);
    }

    fn visit_item_fn_mut(&mut self, node: &mut ItemFn) {
        self.0.insert(node.sig.ident.to_string());
    }
}

/// Names of variables that the closure does not bind.
///
/// A name that is called is a function. One that a method gets may be, as in `map(square)`.
struct Captures {
    bound: BTreeSet<String>,
    found: Vec<Ident>,
}

fn is_name(expression: &Expr) -> bool {
    matches!(expression, Expr::Path(path) if path.path.get_ident().is_some_and(|name| name != "self"))
}

impl VisitMut for Captures {
    fn visit_expr_path_mut(&mut self, node: &mut ExprPath) {
        let Some(name) = node.path.get_ident() else { return };
        let text = name.to_string();
        // Constants and variants begin with a capital letter.
        let is_variable = text.starts_with(|first: char| first.is_lowercase() || first == '_');
        if is_variable && !self.bound.contains(&text) && !self.found.contains(name) {
            self.found.push(name.clone());
        }
    }

    fn visit_expr_call_mut(&mut self, node: &mut ExprCall) {
        if !is_name(&node.func) {
            self.visit_expr_mut(&mut node.func);
        }
        node.args.iter_mut().for_each(|argument| self.visit_expr_mut(argument));
    }

    fn visit_expr_method_call_mut(&mut self, node: &mut ExprMethodCall) {
        self.visit_expr_mut(&mut node.receiver);
        let arguments = node.args.iter_mut().filter(|argument| !is_name(argument));
        arguments.for_each(|argument| self.visit_expr_mut(argument));
    }

    fn visit_item_mut(&mut self, _: &mut Item) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::errors::listed;

    /// Names of the variables that a closure captures.
    fn captures(closure: &str) -> Vec<String> {
        let mut errors = Errors::default();
        find_captures(&syn::parse_str(closure).expect("a closure"), &mut errors);
        let errors = errors.finish(()).err().map(listed).unwrap_or_default();
        errors.into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn variables_from_outside_are_found_once() {
        assert_eq!(captures("|n: u8| -> u8 { n + a * a + b.c }"), ["a", "b"]);
        assert_eq!(captures("|n: u8| -> u8 { scale(n, a) + [b][0] + S { c }.c }"), ["a", "b", "c"]);
        assert_eq!(captures("|| -> u8 { let _ = &self.a; self.b() }"), ["self"]);
        assert_eq!(captures("move || -> u8 { 1 }"), ["move"]);
    }

    #[test]
    fn own_names_and_items_are_no_captures() {
        for closure in [
            "|n: u8, (a, mut b): (u8, u8)| -> u8 { b += a; n + b + OFFSET + helper(n) }",
            "|v: Vec<u8>| -> u8 { v.iter().map(square).filter(|x| x > 1).sum() }",
            "|o: Option<u8>| -> u8 { match o { Some(x) if let Some(y) = f(x) => x + y, None => 0 } }",
            "|| -> u8 { fn inner(a: u8) -> u8 { a + 1 } for i in 0..3 { apply(inner, i) } self::other }",
        ] {
            assert_eq!(captures(closure), [""; 0], "{closure}");
        }
    }
}
