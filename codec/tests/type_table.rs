//! The table of unsupported types in the guide, made from every type in every container of serde
//! with every codec.
//!
//! `ISOLATED_WORKERS_WRITE=1 cargo test -p isolated-workers-codec --test type_table` writes it.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;
use std::net::IpAddr;
use std::num::NonZeroU8;
use std::ops::Range;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use isolated_workers_codec::{Cbor, Codec, Json, Postcard, decode_body, encode_body};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Plain<T> {
    value: T,
}

#[derive(Serialize, Deserialize)]
struct Flatten<T> {
    #[serde(flatten)]
    inner: Plain<T>,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "type")]
enum Tag<T> {
    Variant { value: T },
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged<T> {
    Variant { value: T },
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "type", content = "content")]
enum Content<T> {
    // Without a content before its tag, the value is not buffered.
    Variant { value: T },
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Outcome {
    Same,
    Refused,
    Changed,
}

/// Sends a value in a container. `get` takes it out of the container.
fn outcome<C: Codec, T: PartialEq, W: Serialize + DeserializeOwned>(
    codec: &C,
    value: &T,
    wrapped: W,
    get: fn(W) -> T,
) -> Outcome {
    let Ok(body) = encode_body(codec, &wrapped) else { return Outcome::Refused };
    match decode_body::<_, W>(codec, &body) {
        Ok(back) => {
            if get(back) == *value {
                Outcome::Same
            } else {
                Outcome::Changed
            }
        }
        Err(_) => Outcome::Refused,
    }
}

/// Cells of a type with a codec: in a field, and in a container that buffers its values.
fn cells<C: Codec, T: Serialize + DeserializeOwned + PartialEq + Clone>(codec: &C, value: &T) -> [String; 2] {
    let plain = outcome(codec, value, Plain { value: value.clone() }, |wrapped| wrapped.value);
    let content =
        outcome(codec, value, Content::Variant { value: value.clone() }, |Content::Variant { value }| value);
    let expected = if C::ID == Postcard::ID { Outcome::Refused } else { plain };
    assert_eq!(content, expected, "{} in `content` with {}", std::any::type_name::<T>(), C::ID);
    let within = [
        ("flatten", {
            let wrapped = Flatten { inner: Plain { value: value.clone() } };
            outcome(codec, value, wrapped, |wrapped| wrapped.inner.value)
        }),
        ("tag", outcome(codec, value, Tag::Variant { value: value.clone() }, |Tag::Variant { value }| value)),
        ("untagged", {
            let wrapped = Untagged::Variant { value: value.clone() };
            outcome(codec, value, wrapped, |Untagged::Variant { value }| value)
        }),
    ];
    let cell = |outcome| match outcome {
        Outcome::Same => "yes",
        Outcome::Refused => "no",
        Outcome::Changed => "**changed**",
    };
    let buffered = if within.iter().all(|(_, outcome)| *outcome == within[0].1) {
        cell(within[0].1).to_owned()
    } else {
        let each: Vec<_> =
            within.iter().map(|(name, outcome)| format!("`{name}`: {}", cell(*outcome))).collect();
        each.join(", ")
    };
    [cell(plain).to_owned(), buffered]
}

fn row<T: Serialize + DeserializeOwned + PartialEq + Clone>(name: &str, value: &T) -> String {
    let [json, json_within] = cells(&Json, value);
    let [cbor, cbor_within] = cells(&Cbor, value);
    let [postcard, postcard_within] = cells(&Postcard, value);
    assert_eq!(postcard_within, "no", "{name}");
    format!("| {name} | {json} | {json_within} | {cbor} | {cbor_within} | {postcard} |\n")
}

/// Float that is compared by its bits.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(transparent)]
struct Bits(f64);

impl PartialEq for Bits {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

/// JSON text that is compared.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
struct Raw(Box<serde_json::value::RawValue>);

impl PartialEq for Raw {
    fn eq(&self, other: &Self) -> bool {
        self.0.get() == other.0.get()
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Shape {
    Unit,
    Newtype(Box<Shape>),
    Tuple(u8, char),
    Struct { name: Option<String> },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Marked {
    #[serde(with = "isolated_workers_codec::byte_vec")]
    vec: Vec<u8>,
    #[serde(with = "isolated_workers_codec::zero_copy_bytes")]
    shared: Bytes,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Skipped {
    #[serde(skip_serializing_if = "Option::is_none")]
    absent: Option<u8>,
    // Without a name, the bytes of these take the place of the absent field.
    next: u8,
    last: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Unit;

fn table() -> String {
    let map = |keys: [u8; 2]| keys.map(|key| (key, key)).into_iter().collect::<BTreeMap<_, _>>();
    let shapes = vec![
        Shape::Unit,
        Shape::Newtype(Shape::Tuple(1, 'ß').into()),
        Shape::Struct { name: None },
        Shape::Struct { name: Some("n".into()) },
    ];
    let mut table = "\
| | `Json` | `Json`, buffered | `Cbor` | `Cbor`, buffered | `Postcard` |
|---|---|---|---|---|---|
"
    .to_owned();
    let mut add = |row: String| table.push_str(&row);
    add(row("integers up to 64 bits", &(i64::MIN, u64::MAX, NonZeroU8::MAX)));
    add(row("`i128`, `u128`", &(i128::MIN, u128::MAX)));
    add(row("`i128` of a small number", &7_i128));
    add(row("finite `f32`, `f64`", &(f32::MAX, f64::MIN_POSITIVE, 0.1, -0.0, 5e-324)));
    add(row("NaN, infinity", &Bits(f64::NAN)));
    add(row("`Some(NaN)`", &Some(Bits(f64::NAN))));
    add(row(
        "`bool`, `char`, `String`, `Cow<str>`",
        &(true, '\u{10ffff}', "\0\"\u{2028}".to_owned(), Cow::from("c")),
    ));
    add(row("`Vec<u8>`", &vec![0_u8, 255]));
    add(row(
        "`serde_bytes::ByteBuf`",
        &(serde_bytes::ByteBuf::from([0, 255]), serde_bytes::ByteBuf::from(*b"ab")),
    ));
    add(row("`byte_vec`, `zero_copy_bytes`", &Marked { vec: vec![0, 255], shared: vec![1; 20_000].into() }));
    add(row("`()`, unit structs", &((), Unit)));
    add(row("`Option<T>`", &(Some(1), None::<u8>, Some("s".to_owned()))));
    add(row("`Some(None)`", &Some(None::<u8>)));
    add(row("`Some(())`", &Some(())));
    add(row("tuples, arrays, sequences", &([1, 2, 3], (1, "a".to_owned()), vec![vec![0.5]], [0_u8; 0])));
    add(row("enums", &shapes));
    add(row(
        "`Result`, `Range`, `Duration`, `SystemTime`",
        &(Err::<u8, _>("no".to_owned()), Range { start: 1, end: 2 }, Duration::MAX, SystemTime::UNIX_EPOCH),
    ));
    add(row("`IpAddr`", &["::1", "127.0.0.1"].map(|text| text.parse::<IpAddr>().unwrap())));
    add(row("`PathBuf`", &PathBuf::from("/a/ß")));
    add(row("maps with keys that are strings", &BTreeMap::from([("a".to_owned(), 1), (String::new(), 2)])));
    add(row("maps with keys that are integers", &map([0, 255])));
    add(row("maps with keys that are `bool`", &BTreeMap::from([(true, 1), (false, 2)])));
    add(row("maps with keys that are `char`", &BTreeMap::from([('a', 1), ('ß', 2)])));
    add(row("maps with keys that are `i128`", &BTreeMap::from([(i128::MIN, 1)])));
    add(row(
        "maps with keys that are enums without data",
        &vec![BTreeMap::from([(IpKind::V4, 1), (IpKind::V6, 2)])],
    ));
    add(row("maps with other keys", &BTreeMap::from([((1, 2), 3)])));
    add(row("empty maps and sequences", &(HashMap::<(u8, u8), u8>::new(), Vec::<u8>::new())));
    add(row("`serde_json::Value`", &serde_json::json!({"a": [1, null, {"b": 0.5}], "c": true})));
    add(row("`serde_json::value::RawValue`", &Raw(serde_json::value::to_raw_value(&[1]).unwrap())));
    add(row("`skip_serializing_if`", &Skipped { absent: None, next: 1, last: vec![0, 0] }));
    table
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum IpKind {
    V4,
    V6,
}

#[test]
fn the_guide_has_the_table() {
    const START: &str = "<!-- table of types: written by codec/tests/type_table.rs -->\n\n";
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/guides/codecs.md");
    let guide = std::fs::read_to_string(path).unwrap();
    let (before, rest) = guide.split_once(START).expect("the guide has the start of the table");
    let (current, after) = rest.split_once("\n\n").unwrap();
    let table = table();
    if std::env::var_os("ISOLATED_WORKERS_WRITE").is_some() {
        std::fs::write(path, format!("{before}{START}{table}\n{after}")).unwrap();
    } else {
        assert_eq!(format!("{current}\n"), table, "write it: see the head of this file");
    }
}
