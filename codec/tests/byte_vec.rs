//! Bytes in every codec: as bytes, or as base64 in JSON.

use std::fmt::Debug;
use std::time::Instant;

use bytes::Bytes;
use isolated_workers_codec::zero_copy_bytes::maybe_bytes::MaybeBytes;
use isolated_workers_codec::{
    Cbor, Codec, Compressed, Json, Postcard, byte_vec, decode_body, encode_body, zero_copy_bytes,
};
use isolated_workers_core::{Body, Budget};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Owned {
    #[serde(with = "byte_vec")]
    vec: Vec<u8>,
    #[serde(with = "byte_vec")]
    boxed: Box<[u8]>,
    #[serde(with = "zero_copy_bytes")]
    shared: Bytes,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Flat {
    id: u8,
    #[serde(flatten)]
    bytes: Owned,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
enum Tagged {
    Bytes(Owned),
    Flat { flat: Flat },
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Number(u8),
    Bytes(Owned),
}

fn owned(length: usize) -> Owned {
    let bytes: Vec<u8> = (0..length).map(|at| (at * 7) as u8).collect();
    Owned { boxed: bytes.clone().into(), shared: bytes.clone().into(), vec: bytes }
}

#[track_caller]
fn check<C: Codec, T: Serialize + DeserializeOwned + PartialEq + Debug>(codec: &C, value: T) {
    let body = encode_body(codec, &value).unwrap();
    assert_eq!(decode_body::<_, T>(codec, &body).unwrap(), value);
}

fn bytes_round_trip<C: Codec>(codec: C) {
    for length in [0, 1, 2, 3, 4, 255, 256, 70_000] {
        check(&codec, owned(length));
        let reply = encode_body(&codec, &MaybeBytes(owned(length).vec)).unwrap();
        let MaybeBytes(back) = decode_body::<_, MaybeBytes<Vec<u8>>>(&codec, &reply).unwrap();
        assert_eq!(back, owned(length).vec);
        assert!(reply.len() < length * 4 / 3 + 8, "{} bytes for {length}", reply.len());
        if C::ID.contains("postcard") {
            continue;
        }
        check(&codec, Flat { id: 1, bytes: owned(length) });
        check(&codec, Tagged::Bytes(owned(length)));
        check(&codec, Tagged::Flat { flat: Flat { id: 1, bytes: owned(length) } });
        check(&codec, Untagged::Bytes(owned(length)));
    }
}

/// A peer may send a sequence of numbers, as serde does.
fn numbers_are_accepted<C: Codec>(codec: C) {
    #[derive(Serialize)]
    struct Numbers {
        vec: Vec<u8>,
        boxed: Vec<u8>,
        shared: Vec<u8>,
    }
    let bytes = owned(300);
    let numbers = Numbers { vec: bytes.vec.clone(), boxed: bytes.vec.clone(), shared: bytes.vec.clone() };
    let body = encode_body(&codec, &numbers).unwrap();
    assert_eq!(decode_body::<_, Owned>(&codec, &body).unwrap(), bytes);
}

#[test]
fn json_has_base64() {
    let json = encode_body(&Json, &owned(4)).unwrap();
    assert_eq!(json.as_bytes(), br#"{"vec":"AAcOFQ==","boxed":"AAcOFQ==","shared":"AAcOFQ=="}"#);
    let json =
        |json: &str| decode_body::<_, MaybeBytes<Vec<u8>>>(&Json, &Body::from(json.as_bytes().to_vec()));
    for text in [r#""AAcOFQ==""#, r#""AAcOFQ""#, r#""\u0041AcOFQ==""#, "[0,7,14,21]", " [ 0 , 7 , 14 , 21 ] "]
    {
        assert_eq!(json(text).unwrap().0, [0, 7, 14, 21], "{text}");
    }
    for (text, cause) in [
        (r#""AAcOF!==""#, "invalid base64 text: Invalid symbol 33, offset 5."),
        (r#""A""#, "invalid base64 text"),
        (r#""AAcOFR==""#, "invalid base64 text"),
        ("[256]", "invalid value: integer `256`, expected u8"),
        ("[-1]", "invalid value"),
        ("7", "invalid type: integer `7`, expected bytes: base64 text or a sequence of numbers"),
        ("null", "expected bytes"),
        ("{}", "expected bytes"),
    ] {
        let error = json(text).unwrap_err().to_string();
        assert!(error.contains(cause), "{text}: {error}");
    }
}

#[test]
fn a_text_in_place_of_bytes_is_not_base64_in_a_binary_format() {
    #[derive(Debug, Deserialize)]
    struct One(
        #[serde(with = "byte_vec")]
        #[expect(dead_code, reason = "never decoded")]
        Vec<u8>,
    );
    let body = encode_body(&Cbor, &"AAcOFQ==").unwrap();
    let error = decode_body::<_, One>(&Cbor, &body).unwrap_err().to_string();
    assert!(error.contains("invalid type: string"), "{error}");
}

macro_rules! suite {
    ($($name:ident: $codec:expr;)*) => {$(
        mod $name {
            use super::*;

            #[test]
            fn bytes_round_trip() { super::bytes_round_trip($codec) }
            #[test]
            fn numbers_are_accepted() { super::numbers_are_accepted($codec) }
        }
    )*};
}

suite! {
    json: Json;
    cbor: Cbor;
    compressed_json: Compressed::new(Json);
}

#[test]
fn postcard_has_bytes() {
    bytes_round_trip(Postcard);
    // The encodings are the same.
    numbers_are_accepted(Postcard);
}

#[test]
#[ignore = "prints durations: run it with `--release` and `--nocapture`"]
fn durations_of_base64_and_of_numbers() {
    fn measure<T: Serialize + DeserializeOwned>(what: &str, value: &T) {
        let start = Instant::now();
        let bytes = encode_body(&Json, value).unwrap().into_bytes();
        let (encoded, size) = (start.elapsed(), bytes.len());
        let mut body = Body::from(bytes);
        body.set_budget(Budget::LOCAL);
        let start = Instant::now();
        decode_body::<_, T>(&Json, &body).unwrap();
        println!("{what}: {size} bytes, encoded in {encoded:?}, decoded in {:?}", start.elapsed());
    }
    #[derive(Serialize, Deserialize)]
    struct Marked(#[serde(with = "byte_vec")] Vec<u8>);
    let bytes = owned(20_000_000).vec;
    measure("base64", &Marked(bytes.clone()));
    measure("numbers", &bytes);
}
