//! Unusual definitions of services that compile and whose calls arrive.

use isolated_workers::codec::{Codec, Json, Postcard};
use isolated_workers::service;
use isolated_workers::service::Local;

use self::types::{Celsius, Grid};

const SIDE: usize = 2;

mod types {
    use std::marker::PhantomData;

    use serde::{Deserialize, Serialize};

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    pub(super) struct Celsius(pub(super) i32);

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    pub(super) struct Grid<T, const N: usize> {
        pub(super) cells: Vec<T>,
        pub(super) side: PhantomData<[(); N]>,
    }

    pub(super) trait Unit {
        type Of;
    }

    impl Unit for u8 {
        type Of = Celsius;
    }
}

/// Names of arguments: those of generated variables, keywords, and letters outside of ASCII.
#[service(derive(Clone, Debug))]
trait Named {
    async fn variables(&self, message: u8, values: u8, serializer: u8, deserializer: u8, parts: u8) -> u8;
    async fn r#match(&self, r#type: u8, r#gen: u8, r#async: u8, r#fn: u8) -> u8;
    async fn größe(&self, höhe: u8, 幅: u8) -> u8;
    async fn s_d(&self, d: u8, s: u8) -> u8;
    async fn value(&self, value: u8) -> u8;
    async fn arguments(&self, argument: u8, name: u8, names: u8) -> u8;
}

/// Types of arguments and replies.
#[service]
#[allow(clippy::type_complexity, clippy::too_many_arguments, unused_braces, unused_parens)]
trait Typed {
    async fn arrays(&self, a: [[u8; SIDE]; SIDE], b: [u8; { SIDE + 1 }]) -> [u8; SIDE * 2];
    async fn tuples(&self, a: (), b: (u8,), c: (u8, (i8, String))) -> (u8,);
    async fn nested(
        &self,
        a: Option<Option<u8>>,
        b: Result<u8, String>,
    ) -> Result<Result<u8, String>, String>;
    async fn generic(&self, grid: Grid<Vec<u8>, { SIDE * 3 }>) -> Grid<Vec<u8>, 6>;
    async fn projected(&self, a: <u8 as types::Unit>::Of) -> <u8 as self::types::Unit>::Of;
    async fn parenthesized(&self, a: (u8), b: (Vec<(u8)>)) -> (u8);
    async fn boxed(&self, a: Box<str>, b: Box<[u8]>, c: Box<Celsius>) -> Box<str>;
    async fn borrowed(&self, a: std::borrow::Cow<'static, str>) -> std::borrow::Cow<'static, str>;
    async fn eight(&self, a: u8, b: u8, c: u8, d: u8, e: u8, f: u8, g: u8, h: Vec<u8>) -> usize;
    async fn nine(&self, a: u8, b: u8, c: u8, d: u8, e: u8, f: u8, g: u8, h: Vec<u8>, i: u8) -> usize;
}

struct Odd;

impl Named for Odd {
    async fn variables(&self, message: u8, values: u8, serializer: u8, deserializer: u8, parts: u8) -> u8 {
        message + values + serializer + deserializer + parts
    }
    async fn r#match(&self, r#type: u8, r#gen: u8, r#async: u8, r#fn: u8) -> u8 {
        r#type + r#gen + r#async + r#fn
    }
    async fn größe(&self, höhe: u8, 幅: u8) -> u8 {
        höhe * 幅
    }
    async fn s_d(&self, d: u8, s: u8) -> u8 {
        d - s
    }
    async fn value(&self, value: u8) -> u8 {
        value
    }
    async fn arguments(&self, argument: u8, name: u8, names: u8) -> u8 {
        argument + name + names
    }
}

impl Typed for Odd {
    async fn arrays(&self, a: [[u8; SIDE]; SIDE], b: [u8; SIDE + 1]) -> [u8; SIDE * 2] {
        [a[0][0], a[1][1], b[0], b[2]]
    }
    async fn tuples(&self, (): (), (b,): (u8,), c: (u8, (i8, String))) -> (u8,) {
        (b + c.0 + c.1.1.len() as u8,)
    }
    async fn nested(
        &self,
        a: Option<Option<u8>>,
        b: Result<u8, String>,
    ) -> Result<Result<u8, String>, String> {
        a.map(|_| b).ok_or_else(|| "none".to_owned())
    }
    async fn generic(&self, grid: Grid<Vec<u8>, 6>) -> Grid<Vec<u8>, 6> {
        grid
    }
    async fn projected(&self, a: Celsius) -> Celsius {
        a
    }
    async fn parenthesized(&self, a: u8, b: Vec<u8>) -> u8 {
        a + b[0]
    }
    async fn boxed(&self, a: Box<str>, b: Box<[u8]>, c: Box<Celsius>) -> Box<str> {
        format!("{a}{b:?}{}", c.0).into()
    }
    async fn borrowed(&self, a: std::borrow::Cow<'static, str>) -> std::borrow::Cow<'static, str> {
        a
    }
    async fn eight(&self, a: u8, _: u8, _: u8, _: u8, _: u8, _: u8, _: u8, h: Vec<u8>) -> usize {
        usize::from(a) + h.len()
    }
    async fn nine(&self, _: u8, _: u8, _: u8, _: u8, _: u8, _: u8, _: u8, h: Vec<u8>, i: u8) -> usize {
        usize::from(i) + h.len()
    }
}

async fn names_arrive<C: Codec>(codec: C) {
    let named = NamedClient::new(Local::new(Named::into_service(Odd), codec));
    assert_eq!(named.variables(1, 2, 3, 4, 5).await.unwrap(), 15);
    assert_eq!(named.r#match(1, 2, 3, 4).await.unwrap(), 10);
    assert_eq!(named.größe(3, 4).await.unwrap(), 12);
    assert_eq!(named.s_d(3, 1).await.unwrap(), 2);
    assert_eq!(named.value(7).await.unwrap(), 7);
    assert_eq!(named.arguments(1, 2, 3).await.unwrap(), 6);
}

#[tokio::test]
async fn arguments_may_have_any_name() {
    names_arrive(Json).await;
    names_arrive(Postcard).await;
}

async fn types_arrive<C: Codec>(codec: C) {
    let typed = TypedClient::new(Local::new(Typed::into_service(Odd), codec));
    assert_eq!(typed.arrays([[1, 2], [3, 4]], [5, 6, 7]).await.unwrap(), [1, 4, 5, 7]);
    assert_eq!(typed.tuples((), (1,), (2, (3, "abc".into()))).await.unwrap(), (6,));
    let nested = typed.nested(Some(Some(1)), Err("no".into())).await.unwrap();
    assert_eq!(nested, Err("no".to_owned()));
    let grid = Grid { cells: vec![vec![1, 2]], side: std::marker::PhantomData };
    assert_eq!(typed.generic(grid.clone()).await.unwrap(), grid);
    assert_eq!(typed.projected(Celsius(-3)).await.unwrap(), Celsius(-3));
    assert_eq!(typed.parenthesized(1, vec![2]).await.unwrap(), 3);
    let text = typed.boxed("a".into(), vec![1].into(), Box::new(Celsius(2))).await.unwrap();
    assert_eq!(&*text, "a[1]2");
    assert_eq!(typed.borrowed("b".into()).await.unwrap(), "b");
    assert_eq!(typed.eight(1, 0, 0, 0, 0, 0, 0, vec![0; 9]).await.unwrap(), 10);
    assert_eq!(typed.nine(0, 0, 0, 0, 0, 0, 0, vec![0; 9], 1).await.unwrap(), 10);
}

#[tokio::test]
async fn arguments_may_have_any_type_that_owns_its_data() {
    types_arrive(Json).await;
    types_arrive(Postcard).await;
}
