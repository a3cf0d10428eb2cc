//! Values of every kind, and invalid bytes, with and without a budget.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;
use std::net::IpAddr;
use std::time::Duration;

use bytes::BytesMut;
use isolated_workers_codec::{Cbor, Codec, Json, Postcard, decode_within};
use isolated_workers_core::Budget;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

fn encoded<C: Codec>(codec: &C, value: &impl Serialize) -> BytesMut {
    let mut out = BytesMut::new();
    codec.encode(value, &mut out).unwrap();
    out
}

#[track_caller]
fn check_round_trip<C: Codec, T: Serialize + DeserializeOwned + PartialEq + Debug>(codec: &C, value: T) {
    let bytes = encoded(codec, &value);
    assert_eq!(codec.decode::<T>(&bytes).unwrap(), value);
    assert_eq!(decode_within::<_, T>(codec, &bytes, Budget::default()).unwrap(), value);
    for end in 0..bytes.len().min(300) {
        let _ = decode_within::<_, T>(codec, &bytes[..end], Budget::default());
    }
    let mut longer = bytes.clone();
    longer.extend_from_slice(b"1");
    assert!(decode_within::<_, Vec<T>>(codec, &longer, Budget::default()).is_err());
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Shape {
    Empty,
    Circle(u32),
    Line(f64, f64),
    Named { name: String, inner: Option<Box<Shape>> },
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Unit;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Newtype(Vec<Shape>);

fn every_kind_of_value_round_trips<C: Codec>(codec: C) {
    check_round_trip(&codec, ((), Unit, true, 'ß', i128::MIN, u128::MAX, u64::MAX, f32::MIN, 1e300));
    let named = Shape::Named { name: "n".repeat(5000), inner: Some(Box::new(Shape::Empty)) };
    check_round_trip(&codec, Newtype(vec![Shape::Empty, Shape::Circle(7), Shape::Line(0.5, -0.5), named]));
    check_round_trip(
        &codec,
        (Some(1), None::<u8>, Duration::from_millis(1500), "::1".parse::<IpAddr>().unwrap()),
    );
    check_round_trip(&codec, HashMap::from([(1, vec!["a".to_owned()]), (2, vec![])]));
    check_round_trip(&codec, BTreeMap::from([("k".repeat(5000), [1u8; 3])]));
    check_round_trip(&codec, Cow::Borrowed("text"));
    check_round_trip(&codec, Some(serde_bytes::ByteBuf::from(vec![7; 10_000])));
    check_round_trip(&codec, Ok::<_, String>(vec![Err::<u8, _>("no".to_owned())]));
}

fn an_empty_payload_decodes_to_a_unit<C: Codec>(codec: C) {
    codec.decode::<()>(b"").unwrap();
    decode_within::<_, ()>(&codec, b"", Budget::default()).unwrap();
    assert!(codec.decode::<String>(b"").is_err());
}

#[test]
fn json_accepts_every_form_of_an_empty_payload() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Unit;
    #[derive(Debug, PartialEq, Deserialize)]
    struct Empty {}
    #[derive(Debug, PartialEq, Deserialize)]
    struct Optional {
        name: Option<String>,
    }
    for json in ["", "null", "{}", " { } "] {
        let within = Budget::default();
        decode_within::<_, ()>(&Json, json.as_bytes(), within).unwrap();
        assert_eq!(decode_within::<_, Unit>(&Json, json.as_bytes(), within).unwrap(), Unit);
        assert_eq!(decode_within::<_, Empty>(&Json, json.as_bytes(), within).unwrap(), Empty {});
        let optional: Optional = decode_within(&Json, json.as_bytes(), within).unwrap();
        assert_eq!(optional, Optional { name: None });
        assert!(decode_within::<_, Known>(&Json, json.as_bytes(), within).is_err());
        assert!(decode_within::<_, Vec<u8>>(&Json, json.as_bytes(), within).is_err());
    }
    // These types have other encodings.
    assert!(Json.decode::<Option<u8>>(b"{}").is_err());
    assert!(Json.decode::<BTreeMap<String, u8>>(b"null").is_err());
    assert!(Json.decode::<Unit>(b"[]").is_err());
}

#[derive(Debug, PartialEq, Deserialize)]
struct Known {
    known: u8,
}

#[test]
fn json_ignores_unknown_fields_of_any_depth() {
    let (open, close) = ("[".repeat(100_000), "]".repeat(100_000));
    let text = format!("{{\"known\":1,\"unknown\":{open}{close}}}");
    assert_eq!(
        decode_within::<_, Known>(&Json, text.as_bytes(), Budget::default()).unwrap(),
        Known { known: 1 }
    );
    assert!(
        decode_within::<_, serde_json::Value>(&Json, text.as_bytes(), Budget::default())
            .unwrap_err()
            .is_over_budget()
    );
}

#[test]
fn cbor_limits_the_depth_of_unknown_fields() {
    let head = b"\xa2\x65known\x01\x67unknown";
    let value = [&head[..], &[0x81; 10], &[0x80]].concat();
    assert_eq!(decode_within::<_, Known>(&Cbor, &value, Budget::default()).unwrap(), Known { known: 1 });
    let bomb = [&head[..], &[0x81; 100_000], &[0x80]].concat();
    assert!(decode_within::<_, Known>(&Cbor, &bomb, Budget::default()).unwrap_err().is_over_budget());
    let error = Cbor.decode::<Known>(&bomb).unwrap_err();
    assert!(error.to_string().contains("256 levels"), "{error}");
}

#[test]
fn borrowing_types_decode_from_formats_that_lend() {
    let bytes = encoded(&Postcard, &("text", 5u8));
    assert_eq!(decode_within::<_, (&str, u8)>(&Postcard, &bytes, Budget::default()).unwrap(), ("text", 5));
    assert_eq!(decode_within::<_, &str>(&Json, b"\"text\"", Budget::default()).unwrap(), "text");
    let error = decode_within::<_, &str>(&Cbor, &encoded(&Cbor, &"text"), Budget::default()).unwrap_err();
    assert!(error.to_string().contains("expected a borrowed string"), "{error}");
}

#[test]
fn flatten_and_untagged_need_a_self_describing_format() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(untagged)]
    enum Either {
        Number(u64),
        Text(String),
        Many(Vec<Either>),
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Flat {
        either: Either,
        #[serde(skip_serializing_if = "Option::is_none")]
        absent: Option<u8>,
        #[serde(flatten)]
        rest: BTreeMap<String, Either>,
    }
    fn check<C: Codec>(codec: C) {
        let either = Either::Many(vec![Either::Number(1), Either::Text("two".into())]);
        let rest = BTreeMap::from([("more".to_owned(), Either::Number(3))]);
        check_round_trip(&codec, Flat { either, absent: None, rest });
    }
    check(Json);
    check(Cbor);
    check_round_trip(&Json, serde_json::json!({"a": [1, null, {"b": "c"}]}));
    check_round_trip(&Cbor, serde_json::json!({"a": [1, null, {"b": "c"}]}));

    let error = Postcard.encode(
        &Flat { either: Either::Number(1), absent: None, rest: BTreeMap::new() },
        &mut BytesMut::new(),
    );
    assert!(error.unwrap_err().to_string().contains("use `Json` or `Cbor` for `flatten`"));
    let error = Postcard.decode::<Either>(&[1]).unwrap_err();
    assert!(error.to_string().contains("`untagged`"), "{error}");
}

#[test]
fn postcard_errors_have_the_reason_of_the_type() {
    let error = decode_within::<_, Shape>(&Postcard, &[9], Budget::default()).unwrap_err();
    assert!(error.to_string().contains("expected variant index 0 <= i < 4"), "{error}");
    assert!(!error.is_over_budget());
    // The reason of a previous call does not appear.
    let error = decode_within::<_, (u8, u8)>(&Postcard, &[9], Budget::default()).unwrap_err();
    assert!(!error.to_string().contains("variant"), "{error}");
    assert!(Postcard.decode::<Shape>(&[9]).unwrap_err().to_string().contains("refuses"));
}

#[test]
fn cbor_errors_name_the_cause() {
    for (bytes, reason) in [
        (&b"\x62a"[..], "the bytes end within the value"),
        (b"\x61\xff", "invalid CBOR at byte"),
        (b"\x05", "invalid type: integer `5`, expected string"),
    ] {
        let error = Cbor.decode::<String>(bytes).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
}

macro_rules! suite {
    ($($name:ident: $codec:expr;)*) => {$(
        mod $name {
            use super::*;

            #[test]
            fn every_kind_of_value_round_trips() { super::every_kind_of_value_round_trips($codec) }
            #[test]
            fn an_empty_payload_decodes_to_a_unit() { super::an_empty_payload_decodes_to_a_unit($codec) }
        }
    )*};
}

suite! {
    json: Json;
    postcard: Postcard;
    cbor: Cbor;
}
