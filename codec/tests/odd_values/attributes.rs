//! Attributes of serde, and peers with another definition of a type.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;

use isolated_workers_codec::{Cbor, Codec, Compressed, Json, Postcard};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{refused, same, sent};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Newer {
    Known(u8),
    Added,
    AddedWithData(u8),
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Older {
    Known(u8),
    #[serde(other)]
    Other,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Strict {
    Known(u8),
}

/// Type of another crate without support for serde.
#[derive(Debug, PartialEq)]
struct Foreign {
    x: i32,
    name: String,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Foreign")]
struct ForeignForm {
    x: i32,
    name: String,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct WithForeign {
    #[serde(with = "ForeignForm")]
    foreign: Foreign,
    after: u8,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "(f64, f64)", into = "(f64, f64)")]
struct Point {
    x: f64,
    y: f64,
}

impl From<(f64, f64)> for Point {
    fn from((x, y): (f64, f64)) -> Self {
        Self { x, y }
    }
}

impl From<Point> for (f64, f64) {
    fn from(Point { x, y }: Point) -> Self {
        (x, y)
    }
}

/// Number that travels as text.
mod as_text {
    use super::*;

    pub(super) fn serialize<S: Serializer>(number: &u128, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(number)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u128, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Attributes<T: Default> {
    #[serde(with = "as_text")]
    wide_number: u128,
    #[serde(skip)]
    never_sent: T,
    #[serde(rename = "\"ö\n\u{0}")]
    odd_name: T,
    #[serde(default, alias = "former-name")]
    current_name: Option<T>,
    #[serde(rename(serialize = "same", deserialize = "same"))]
    r#match: Nested,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
struct Nested {
    inner: Newtype,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Newtype(Option<Box<Newtype>>);

check_with_each_codec! { attributes_round_trip;
    |codec| {
        same(codec, WithForeign { foreign: Foreign { x: i32::MIN, name: "n".into() }, after: 1 });
        same(codec, vec![Point { x: -0.5, y: 1e300 }]);
        same(codec, Attributes {
            wide_number: u128::MAX,
            never_sent: String::new(),
            odd_name: "o".to_owned(),
            current_name: None,
            r#match: Nested { inner: Newtype(None) },
        });
        same(codec, vec![Older::Known(1), Older::Known(2)]);
        assert_eq!(sent::<_, Older>(codec, &Newer::Added).unwrap(), Older::Other);
        // The data of a variant is not skipped.
        assert!(sent::<_, Older>(codec, &Newer::AddedWithData(1)).is_err());
        let error = sent::<_, Strict>(codec, &Newer::Added).unwrap_err().to_string();
        assert!(error.contains("variant"), "{error}");
        let error = sent::<_, TextNumber>(codec, "wide").unwrap_err().to_string();
        assert!(error.contains("invalid digit"), "{error}");
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct TextNumber(#[serde(with = "as_text")] u128);

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Two {
    a: u8,
    b: String,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Three {
    a: u8,
    b: String,
    #[serde(default)]
    c: Vec<u8>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StrictTwo {
    a: u8,
    b: String,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Swapped {
    b: String,
    a: u8,
}

#[test]
fn fields_may_be_added_in_formats_with_names() {
    fn check<C: Codec>(codec: &C) {
        let three = || Three { a: 1, b: "b".into(), c: vec![1] };
        let two = || Two { a: 1, b: "b".into() };
        assert_eq!(sent::<_, Two>(codec, &three()).unwrap(), two());
        assert_eq!(sent::<_, Three>(codec, &two()).unwrap(), Three { c: vec![], ..three() });
        assert_eq!(sent::<_, Swapped>(codec, &two()).unwrap(), Swapped { a: 1, b: "b".into() });
        let error = sent::<_, StrictTwo>(codec, &three()).unwrap_err().to_string();
        assert!(error.contains("unknown field `c`, expected `a` or `b`"), "{error}");
        let error = sent::<_, Two>(codec, &BTreeMap::from([("a", 1)])).unwrap_err().to_string();
        assert!(error.contains("missing field `b`"), "{error}");
    }
    check(&Json);
    check(&Cbor);
    check(&Compressed::new(Cbor).threshold(0));
    let error = sent::<_, Two>(&Postcard, &Three { a: 1, b: "b".into(), c: vec![1] }).unwrap_err();
    assert!(error.to_string().contains("2 unexpected bytes after the value"), "{error}");
    assert!(sent::<_, Three>(&Postcard, &Two { a: 1, b: "b".into() }).is_err());
}

#[test]
fn a_field_that_is_there_twice_is_refused() {
    let error = Json.decode::<Two>(br#"{"a":1,"b":"","a":2}"#).unwrap_err().to_string();
    assert!(error.contains("duplicate field `a`"), "{error}");
    let error = Cbor.decode::<Two>(b"\xa3\x61a\x01\x61b\x60\x61a\x02").unwrap_err().to_string();
    assert!(error.contains("duplicate field `a`"), "{error}");
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Tagged {
    Unit,
    Fields {
        number: i64,
        more: Option<Box<Tagged>>,
    },
    OneStruct(Two),
    #[serde(other)]
    Other,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "t", content = "c")]
enum Adjacent {
    Unit,
    Newtype(u128),
    Tuple(i8, String),
    Fields { map: BTreeMap<i32, Vec<Adjacent>> },
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum AnyNumber {
    Small(u8),
    Negative(i64),
    Large(u64),
    Float(f64),
    Text(String),
    Pair(u8, u8),
    Named { number: f32 },
    Nothing,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Flat {
    first: u8,
    #[serde(flatten)]
    two: Two,
    #[serde(flatten)]
    kind: Adjacent,
    #[serde(flatten)]
    maybe: Option<Optional>,
    #[serde(flatten)]
    rest: HashMap<String, AnyNumber>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Optional {
    optional: u8,
}

/// Checks a value that needs a format that describes itself.
#[track_caller]
fn check_described<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: impl Fn() -> T) {
    same(&Json, value());
    same(&Cbor, value());
    same(&Compressed::new(Json).threshold(0), value());
    refused(&Postcard, &value(), "use `Json` or `Cbor`");
}

#[test]
fn forms_of_enums_round_trip_in_formats_that_describe_themselves() {
    check_described(|| Tagged::Fields { number: i64::MIN, more: Some(Box::new(Tagged::Unit)) });
    check_described(|| Tagged::OneStruct(Two { a: 255, b: "type".into() }));
    let map = || BTreeMap::from([(-1, vec![Adjacent::Unit, Adjacent::Newtype(u128::MAX)])]);
    check_described(|| Adjacent::Fields { map: map() });
    check_described(|| vec![Adjacent::Tuple(-1, "c".into()), Adjacent::Unit]);
    for number in [255, 256, i64::MAX] {
        check_described(|| {
            vec![if number == 255 { AnyNumber::Small(255) } else { AnyNumber::Negative(number) }]
        });
    }
    check_described(|| AnyNumber::Large(u64::MAX));
    check_described(|| [AnyNumber::Negative(i64::MIN), AnyNumber::Float(1.0), AnyNumber::Float(1e300)]);
    check_described(|| [AnyNumber::Text("1".into()), AnyNumber::Pair(1, 2), AnyNumber::Nothing]);
    check_described(|| AnyNumber::Named { number: 0.1 });
}

#[test]
fn flattened_fields_round_trip_in_formats_that_describe_themselves() {
    for maybe in [None, Some(Optional { optional: 1 })] {
        check_described(|| Flat {
            first: 1,
            two: Two { a: 2, b: "b".into() },
            kind: Adjacent::Tuple(1, "x".into()),
            maybe: maybe.as_ref().map(|Optional { optional }| Optional { optional: *optional }),
            rest: HashMap::from([("z".into(), AnyNumber::Float(0.5)), (String::new(), AnyNumber::Nothing)]),
        });
    }
}

#[test]
fn unknown_tags_are_the_other_variant() {
    let newer = BTreeMap::from([("type", "new"), ("data", "ignored")]);
    assert_eq!(sent::<_, Tagged>(&Json, &newer).unwrap(), Tagged::Other);
    assert_eq!(sent::<_, Tagged>(&Cbor, &newer).unwrap(), Tagged::Other);
    let error = sent::<_, Tagged>(&Json, &BTreeMap::from([("data", 1)])).unwrap_err().to_string();
    assert!(error.contains("missing field `type`"), "{error}");
    let error = sent::<_, AnyNumber>(&Cbor, &true).unwrap_err().to_string();
    assert!(error.contains("did not match any variant of untagged enum AnyNumber"), "{error}");
}
