//! Features of `serde_json` that another crate of the program enables.
//!
//! `cargo test -p isolated-workers-codec --test serde_json_features --features serde_json/arbitrary_precision,serde_json/preserve_order`
//! runs these with both. The other features with an effect on a codec are always on.

use std::collections::BTreeMap;
use std::fmt::Debug;

use isolated_workers_codec::{Cbor, Codec, CodecError, Json, decode_body, encode_body};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Number, Value, json};

fn sent<T: Serialize + DeserializeOwned>(codec: &impl Codec, value: &T) -> Result<T, CodecError> {
    decode_body(codec, &encode_body(codec, value)?)
}

#[track_caller]
fn same<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) {
    assert_eq!(sent(&Json, value).unwrap(), *value);
    assert_eq!(sent(&Cbor, value).unwrap(), *value);
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
enum Buffered<T> {
    Variant { value: T },
}

/// Returns `true` with the feature `arbitrary_precision`.
fn numbers_are_texts() -> bool {
    serde_json::from_str::<Number>("1e400").is_ok()
}

#[test]
fn values_round_trip() {
    for text in ["0", "-1", "0.1", "18446744073709551615", "123456789012345678901234567890", "1e300"] {
        let value: Value = serde_json::from_str(text).unwrap();
        same(&value);
        same(&vec![json!({"b": value, "a": [value]})]);
        same(&Buffered::Variant { value });
    }
    if numbers_are_texts() {
        same(&serde_json::from_str::<Value>("0.10000000000000000000000000001e400").unwrap());
    }
}

#[test]
fn numbers_round_trip() {
    same(&(u64::MAX, i64::MIN, u128::MAX, 0.1_f32, 5e-324_f64));
    same(&BTreeMap::from([(u64::MAX, 0.1)]));
    same(&Buffered::Variant { value: (u64::MAX, i64::MIN) });
}

#[test]
fn fractions_within_a_buffer_need_cbor_with_arbitrary_precision() {
    let value = Buffered::Variant { value: 0.1 };
    assert_eq!(sent(&Cbor, &value).unwrap(), value);
    match sent(&Json, &value) {
        Ok(back) => assert!(!numbers_are_texts() && back == value),
        Err(error) => {
            assert!(numbers_are_texts(), "{error}");
            assert!(error.to_string().contains("invalid type: map, expected f64"), "{error}");
        }
    }
}

#[test]
fn a_number_in_a_value_is_a_map_in_cbor_with_arbitrary_precision() {
    let body = encode_body(&Cbor, &json!(7)).unwrap();
    let expected =
        if numbers_are_texts() { &b"\xa1\x78\x1c$serde_json::private::Number\x617"[..] } else { b"\x07" };
    assert_eq!(body.as_bytes(), expected);
}

#[test]
fn members_keep_their_order_if_values_do() {
    let value = json!({"b": 1, "a": 2});
    assert_eq!(sent(&Json, &value).unwrap().to_string(), value.to_string());
    assert_eq!(sent(&Cbor, &value).unwrap().to_string(), value.to_string());
}
