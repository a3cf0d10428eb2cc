//! The limit of nesting, with every codec: each setting is kept, also by the stack of a thread.

use std::collections::BTreeMap;
use std::fmt::Debug;

use bytes::BytesMut;
use isolated_workers_codec::{Cbor, Codec, CodecError, Compressed, Json, Postcard, decode_within};
use isolated_workers_core::Limits;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

const MAX: u32 = Limits::MAX_DEPTH;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Chain {
    End,
    Link(Box<Chain>),
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct List {
    room: [u64; 16],
    next: Option<Box<List>>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Tree {
    kids: BTreeMap<String, Tree>,
    list: Vec<Tree>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "value")]
enum Adjacent {
    End,
    Link(Box<Adjacent>),
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
enum Tagged {
    End,
    Link { next: Box<Tagged> },
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Number(u8),
    List(Vec<Untagged>),
    Link { next: Box<Untagged> },
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Flat {
    room: Option<[u64; 16]>,
    #[serde(flatten)]
    kids: BTreeMap<String, Flat>,
}

/// Syntax of a language, with variants of many sizes.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Syntax {
    End([u64; 24]),
    Name { name: String, span: (u32, u32) },
    If { test: Box<Syntax>, then: Vec<Syntax>, otherwise: Option<Box<Syntax>>, label: Option<String> },
    Call { name: String, named: BTreeMap<String, Syntax>, span: (u32, u32), hash: [u64; 16] },
}

impl Deep for Untagged {
    fn end() -> Self {
        Self::List(vec![Self::Number(7)])
    }

    fn around(inner: Self) -> Self {
        match inner {
            Self::Link { .. } => Self::List(vec![Self::Number(1), inner]),
            _ => Self::Link { next: inner.into() },
        }
    }
}

impl Deep for Flat {
    fn end() -> Self {
        Self { room: None, kids: BTreeMap::new() }
    }

    fn around(inner: Self) -> Self {
        Self { kids: BTreeMap::from([("kid".to_owned(), inner)]), ..Self::end() }
    }
}

/// Type with values of any depth, built from the inside.
trait Deep: Serialize + DeserializeOwned + PartialEq + Debug {
    fn end() -> Self;
    fn around(inner: Self) -> Self;

    /// Returns the value with `links` parts.
    fn deep(links: u32) -> Self {
        (1..links).fold(Self::end(), |inner, _| Self::around(inner))
    }
}

impl Deep for Chain {
    fn end() -> Self {
        Self::End
    }

    fn around(inner: Self) -> Self {
        Self::Link(inner.into())
    }
}

impl Deep for List {
    fn end() -> Self {
        Self { room: [7; 16], next: None }
    }

    fn around(inner: Self) -> Self {
        Self { next: Some(inner.into()), ..Self::end() }
    }
}

impl Deep for Tree {
    fn end() -> Self {
        Self { kids: BTreeMap::new(), list: vec![] }
    }

    fn around(inner: Self) -> Self {
        if inner.list.is_empty() {
            Self { kids: BTreeMap::new(), list: vec![inner] }
        } else {
            Self { kids: BTreeMap::from([("[\"\\".to_owned(), inner)]), list: vec![] }
        }
    }
}

impl Deep for Syntax {
    fn end() -> Self {
        Self::End([u64::MAX; 24])
    }

    fn around(inner: Self) -> Self {
        let name = || Self::Name { name: "n".to_owned(), span: (0, u32::MAX) };
        match inner {
            // An option, and a variant with fields. Then a sequence and a map in the same places.
            Self::End(_) | Self::Call { .. } => {
                let (test, otherwise) = (name().into(), Some(inner.into()));
                Self::If { test, then: vec![], otherwise, label: Some("l".to_owned()) }
            }
            Self::If { ref then, .. } if then.is_empty() => {
                Self::If { test: name().into(), then: vec![name(), inner], otherwise: None, label: None }
            }
            _ => {
                let named = BTreeMap::from([("a".to_owned(), name()), ("b".to_owned(), inner)]);
                Self::Call { name: "c".to_owned(), named, span: (0, 1), hash: [1; 16] }
            }
        }
    }
}

impl Deep for Adjacent {
    fn end() -> Self {
        Self::End
    }

    fn around(inner: Self) -> Self {
        Self::Link(inner.into())
    }
}

impl Deep for Tagged {
    fn end() -> Self {
        Self::End
    }

    fn around(inner: Self) -> Self {
        Self::Link { next: inner.into() }
    }
}

fn encoded<C: Codec>(codec: &C, value: &impl Serialize) -> BytesMut {
    let mut out = BytesMut::new();
    codec.encode(value, &mut out).unwrap();
    out
}

fn decoded<C: Codec, T: DeserializeOwned>(codec: &C, bytes: &[u8], depth: u32) -> Result<T, CodecError> {
    decode_within(codec, bytes, Limits::default().depth(depth).budget())
}

/// Checks a value of `links` parts, which reach the depth `limit` or the level below, and values
/// with more parts.
#[track_caller]
fn check<C: Codec, T: Deep>(codec: &C, limit: u32, links: u32) {
    let value = T::deep(links);
    assert_eq!(decoded::<_, T>(codec, &encoded(codec, &value), limit).unwrap(), value);
    for more in [2, 20] {
        let bytes = encoded(codec, &T::deep(links + more));
        let error = decoded::<_, T>(codec, &bytes, limit).unwrap_err();
        assert!(error.is_over_budget(), "{error}");
        let text = error.to_string();
        assert!(text.contains(&format!("it nests deeper than {limit} levels")), "{text}");
        assert!(text.contains("`Limits::depth`"), "{text}");
        assert_eq!(error.can_raise_limit(), limit < MAX, "{text}");
        assert_eq!(text.contains("raise"), limit < MAX, "{text}");
    }
}

/// The stack of a thread of tokio and of the standard library.
fn in_a_thread(run: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().stack_size(2 << 20).spawn(run).unwrap().join().unwrap();
}

fn every_depth_limit_is_kept<C: Codec>(codec: C) {
    in_a_thread(move || {
        for limit in [64, 127, 128, 129, 200, MAX] {
            check::<_, Chain>(&codec, limit, limit);
            // An option is a level.
            check::<_, List>(&codec, limit, limit / 2);
            if C::ID.contains("postcard") {
                continue;
            }
            // In CBOR the name of the innermost variant is a level.
            check::<_, Adjacent>(&codec, limit, limit - 1);
        }
    });
}

fn the_maximum_of_the_depth_limit_fits_the_stack_of_a_thread<C: Codec>(codec: C) {
    in_a_thread(move || {
        // Sequences and maps in structs: two levels for each part.
        check::<_, Tree>(&codec, MAX, MAX / 2);
        // An enum is a level, the fields of its variant are one, and what they contain is one.
        check::<_, Syntax>(&codec, MAX, MAX / 3);
        if !C::ID.contains("postcard") {
            check::<_, Tagged>(&codec, MAX, MAX);
            check::<_, Untagged>(&codec, MAX, MAX);
            check::<_, Flat>(&codec, MAX, MAX);
            let value = (1..MAX).fold(serde_json::json!([]), |inner, _| serde_json::json!([inner]));
            assert_eq!(
                decoded::<_, serde_json::Value>(&codec, &encoded(&codec, &value), MAX).unwrap(),
                value
            );
        }
    });
}

#[test]
fn without_a_budget_a_value_of_any_depth_fits_the_stack_of_a_thread() {
    in_a_thread(|| {
        for levels in [127, 128, 256, 257, 100_000] {
            let json = ["[".repeat(levels), "]".repeat(levels)].concat();
            let decoded = Json.decode::<serde_json::Value>(json.as_bytes());
            assert_eq!(decoded.is_ok(), levels == 127);
            let cbor = [vec![0x81; levels - 1], vec![0x80]].concat();
            assert_eq!(Cbor.decode::<serde_json::Value>(&cbor).is_ok(), levels <= 257);
        }
    });
}

#[test]
fn unknown_fields_of_any_depth_are_ignored_in_json() {
    #[derive(Debug, Deserialize)]
    struct Known {
        #[serde(rename = "known")]
        _known: List,
    }
    let known = String::from_utf8(encoded(&Json, &List::deep(50)).to_vec()).unwrap();
    let deep = ["[".repeat(100_000), "]".repeat(100_000)].concat();
    let json = format!("{{\"known\":{known},\"unknown\":{deep}}}");
    for limit in [127, 128, MAX] {
        decoded::<_, Known>(&Json, json.as_bytes(), limit).unwrap();
    }
}

macro_rules! suite {
    ($($name:ident: $codec:expr;)*) => {$(
        mod $name {
            use super::*;

            #[test]
            fn every_depth_limit_is_kept() { super::every_depth_limit_is_kept($codec) }
            #[test]
            fn the_maximum_of_the_depth_limit_fits_the_stack_of_a_thread() {
                super::the_maximum_of_the_depth_limit_fits_the_stack_of_a_thread($codec)
            }
        }
    )*};
}

suite! {
    json: Json;
    postcard: Postcard;
    cbor: Cbor;
    compressed_json: Compressed::new(Json);
    compressed_cbor: Compressed::new(Cbor);
}
