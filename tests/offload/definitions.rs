//! Definitions of functions: types, names, places and attributes.

#![forbid(unsafe_code)]

use std::collections::HashMap;

use bytes::Bytes;
use isolated_workers::{CallError, Error, offload};
use serde::{Deserialize, Serialize};

/// Private type in the signature of public functions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Point {
    x: i32,
    y: i32,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Failure {
    Far { distance: i32 },
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self:?}")
    }
}

#[offload]
#[allow(private_interfaces, unreachable_pub)]
pub fn mirror(Point { x, y }: Point, mut scales: Vec<i32>) -> HashMap<String, Point> {
    scales.push(1);
    scales.into_iter().map(|scale| (scale.to_string(), Point { x: -scale * x, y: scale * y })).collect()
}

#[offload]
fn near(point: Point) -> Result<Point, Failure> {
    if point.x > 100 { Err(Failure::Far { distance: point.x }) } else { Ok(point) }
}

#[isolated_workers::test]
async fn patterns_and_own_types_are_sent() {
    let (point, scales) = (Point { x: 1, y: 2 }, vec![2, 3]);
    assert_eq!(mirror::run(point.clone(), scales.clone()).await.unwrap(), mirror(point.clone(), scales));
    assert_eq!(near::run(point.clone()).await.unwrap(), point);
    let error = near::run(Point { x: 101, y: 0 }).await.expect_err("its error");
    assert!(matches!(error, CallError::Service(Failure::Far { distance: 101 })), "{error}");
}

#[offload]
fn reversed(mut bytes: Vec<u8>, more: Bytes) -> Bytes {
    bytes.extend(more);
    bytes.reverse();
    bytes.into()
}

#[isolated_workers::test]
async fn bytes_are_sent_as_bytes() {
    let (bytes, more) = (vec![1; 3 << 20], Bytes::from(vec![2; 1 << 20]));
    let reversed = reversed::run(bytes, more).await.unwrap();
    assert_eq!((reversed.len(), reversed[0], reversed[(4 << 20) - 1]), (4 << 20, 2, 1));
}

#[allow(clippy::too_many_arguments)]
#[offload]
fn twelve(a: u8, b: u8, c: u8, d: u8, e: u8, f: u8, g: u8, h: u8, i: u8, j: u8, k: u8, l: u8) -> [u8; 12] {
    [a, b, c, d, e, f, g, h, i, j, k, l]
}

/// Names that generated code has as well.
#[offload]
#[allow(non_snake_case)]
fn service(service: u8, S: u8, codec: u8, request: u8, item: u8, service_: u8) -> u8 {
    service + S + codec + request + item + service_
}

#[offload]
fn run(run: u8, on: u8) -> u8 {
    run - on
}

#[offload]
async fn r#async(r#type: String) -> String {
    r#type
}

#[offload]
fn nothing() {}

mod inner {
    use isolated_workers::offload;

    /// The same name as in the module above.
    #[offload]
    pub(super) fn nothing() -> u8 {
        1
    }
}

#[isolated_workers::test]
async fn any_name_can_be_used() -> Result<(), Error> {
    assert_eq!(twelve::run(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11).await?[11], 11);
    assert_eq!(service::run(1, 2, 3, 4, 5, 6).await?, 21);
    assert_eq!(run::run(3, 1).await?, 2);
    assert_eq!(r#async::run("a".to_owned()).await?, "a");
    nothing::run().await?;
    assert_eq!(inner::nothing::run().await?, 1);
    Ok(())
}

#[isolated_workers::test]
async fn a_function_may_be_in_a_function() -> Result<(), Error> {
    #[derive(Serialize, Deserialize)]
    struct Local(u8);

    #[offload]
    fn local(Local(n): Local) -> u8 {
        n + 1
    }

    assert_eq!(local::run(Local(1)).await?, 2);
    Ok(())
}

macro_rules! powers {
    ($($name:ident: $exponent:literal -> $output:ty,)*) => {$(
        #[offload]
        fn $name(n: $output) -> $output {
            n.pow($exponent)
        }
    )*};
}

powers! {
    square: 2 -> u64,
    cube: 3 -> u32,
}

#[isolated_workers::test]
async fn a_macro_may_define_functions() -> Result<(), Error> {
    assert_eq!((square::run(5).await?, cube::run(5).await?), (25, 125));
    Ok(())
}

#[cfg_attr(all(), offload)]
#[cfg(any())]
#[deny(unused)]
fn absent() -> NoSuchType {}

#[offload(timeout = "1m", retry = 2)]
#[cfg(any(unix, windows))]
#[deprecated]
#[expect(clippy::let_and_return)]
fn present() -> u8 {
    let one = 1;
    one
}

#[isolated_workers::test]
#[expect(deprecated)]
async fn attributes_keep_their_meaning() -> Result<(), Error> {
    assert_eq!((present(), present::run().await?), (1, 1));
    Ok(())
}

/// Lints that a user may forbid.
mod forbidden {
    #![forbid(
        elided_lifetimes_in_paths,
        explicit_outlives_requirements,
        impl_trait_redundant_captures,
        missing_copy_implementations,
        missing_debug_implementations,
        missing_docs,
        redundant_imports,
        redundant_lifetimes,
        single_use_lifetimes,
        unnameable_types,
        unreachable_pub,
        unsafe_code,
        unused_imports,
        unused_lifetimes,
        unused_results,
        variant_size_differences
    )]

    use isolated_workers::offload;

    /// A function.
    #[must_use]
    #[offload(idempotent)]
    pub(super) fn strict(a: String, b: [u64; 4]) -> String {
        format!("{a}{}", b.len())
    }

    /// An async function.
    ///
    /// # Errors
    /// Always.
    #[offload]
    pub(super) async fn strict_async(a: u8) -> Result<(), String> {
        Err(std::future::ready(a).await.to_string())
    }
}

#[isolated_workers::test]
async fn lints_may_be_forbidden() {
    assert_eq!(forbidden::strict::run("a".to_owned(), [0; 4]).await.unwrap(), "a4");
    assert_eq!(forbidden::strict_async::run(1).await.unwrap_err().to_string(), "1");
}

mod same_name {
    pub(super) async fn first() -> Result<u8, isolated_workers::Error> {
        #[isolated_workers::offload]
        fn same() -> u8 {
            1
        }
        same::run().await
    }

    pub(super) async fn second() -> Result<u8, isolated_workers::Error> {
        #[isolated_workers::offload]
        fn same() -> u8 {
            2
        }
        same::run().await
    }
}

#[isolated_workers::test]
async fn functions_in_functions_may_have_one_name() {
    assert_eq!((same_name::first().await.unwrap(), same_name::second().await.unwrap()), (1, 2));
}

macro_rules! functions_of_one_name {
    ($($outer:ident)*) => {$(
        async fn $outer() -> Result<(), Error> {
            #[offload]
            fn same() {}
            same::run().await
        }
    )*};
}

functions_of_one_name!(one_of_macro other_of_macro);

#[isolated_workers::test]
async fn functions_that_nothing_tells_apart_are_an_error() {
    for call in [one_of_macro().await, other_of_macro().await] {
        let error = call.expect_err("an ambiguous name").to_string();
        let parts = ["`offload::definitions::same`", "definitions.rs:", "defines several"];
        assert!(parts.iter().all(|part| error.contains(part)), "{error}");
    }
}
