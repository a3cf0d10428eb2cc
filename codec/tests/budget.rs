//! Budgets of decoded values, at each limit and one above it, for every codec.

use std::collections::BTreeMap;
use std::fmt::Debug;

use bytes::{Bytes, BytesMut};
use isolated_workers_codec::{Cbor, Codec, CodecError, Json, Postcard, decode_within};
use isolated_workers_core::{Budget, Limits};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};

fn encoded<C: Codec>(codec: &C, value: &impl Serialize) -> BytesMut {
    let mut out = BytesMut::new();
    codec.encode(value, &mut out).unwrap();
    out
}

fn limits() -> Limits {
    Limits::default()
}

/// Checks that `value` decodes within `enough`, and that `less` refuses it because of the limit
/// `name`.
#[track_caller]
fn check_edge<C: Codec, T>(codec: &C, value: &T, enough: Limits, less: Limits, name: &str)
where
    T: Serialize + DeserializeOwned + PartialEq + Debug,
{
    let bytes = encoded(codec, value);
    assert_eq!(&decode_within::<_, T>(codec, &bytes, enough.budget()).unwrap(), value);
    refused(decode_within::<_, T>(codec, &bytes, less.budget()), name);
    // The rest of one budget does not carry over to the next.
    assert_eq!(&decode_within::<_, T>(codec, &bytes, enough.budget()).unwrap(), value);
}

#[track_caller]
fn refused<T: Debug>(result: Result<T, CodecError>, name: &str) {
    let error = result.unwrap_err();
    assert!(error.is_over_budget(), "{error}");
    assert!(error.to_string().contains(&format!("raise `Limits::{name}`")), "{error}");
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Chain {
    End,
    Link(Box<Chain>),
}

fn chain(links: u32) -> Chain {
    (1..links).fold(Chain::End, |chain, _| Chain::Link(chain.into()))
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Nested {
    inner: Vec<Nested>,
}

fn depth_is_limited<C: Codec>(codec: C) {
    check_edge(&codec, &chain(64), limits(), limits().depth(63), "depth");
    refused(decode_within::<_, Chain>(&codec, &encoded(&codec, &chain(65)), limits().budget()), "depth");
    let nested = (0..10).fold(Nested { inner: vec![] }, |nested, _| Nested { inner: vec![nested] });
    check_edge(&codec, &nested, limits().depth(22), limits().depth(21), "depth");
    check_edge(&codec, &((1, 2), 3), limits().depth(2), limits().depth(1), "depth");
    check_edge(&codec, &Some(vec![1]), limits().depth(2), limits().depth(1), "depth");
}

fn elements_are_limited<C: Codec>(codec: C) {
    check_edge(&codec, &vec![(); 100], limits().elements(100), limits().elements(99), "elements");
    check_edge(&codec, &vec![vec![1u8; 9]; 10], limits().elements(100), limits().elements(99), "elements");
    let map: BTreeMap<u8, String> = (0..50).map(|key| (key, "value".into())).collect();
    check_edge(&codec, &map, limits().elements(50), limits().elements(49), "elements");
    // The type decides the number of parts of these.
    let fixed = (1, [2, 3, 4], Nested { inner: vec![] });
    let none = Budget::default();
    assert_eq!(
        decode_within::<_, (u8, [u8; 3], Nested)>(&codec, &encoded(&codec, &fixed), none).unwrap(),
        fixed
    );
}

/// Takes a byte or two in each format, and a kilobyte in memory.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Large(Option<[u64; 32]>, Option<[u64; 32]>, Option<[u64; 32]>, Option<[u64; 32]>);

fn decoded_bytes_are_limited<C: Codec>(codec: C) {
    let numbers = vec![7u64; 1000];
    let size = 8000 + size_of::<Vec<u64>>();
    check_edge(&codec, &numbers, limits().decoded(size), limits().decoded(size - 1), "decoded");
    check_edge(&codec, &"x".repeat(5000), limits().decoded(5000), limits().decoded(4999), "decoded");
    let map: BTreeMap<u32, u32> = (0..100).map(|key| (key, key)).collect();
    let size = 800 + size_of_val(&map);
    check_edge(&codec, &map, limits().decoded(size), limits().decoded(size - 1), "decoded");
    let bytes = serde_bytes::ByteBuf::from(vec![7; 5000]);
    // JSON has no bytes and encodes them as a sequence.
    let size = if C::ID == "json" { 5000 + size_of_val(&bytes) } else { 5000 };
    check_edge(&codec, &bytes, limits().decoded(size), limits().decoded(size - 1), "decoded");

    let boxes: Vec<Box<Large>> = (0..10).map(|_| Box::new(Large(None, None, None, None))).collect();
    let size = 10 * size_of::<Large>() + size_of::<Vec<u64>>();
    check_edge(&codec, &boxes, limits().decoded(size), limits().decoded(size - 1), "decoded");
    let inline: Vec<Large> = (0..10).map(|_| Large(None, None, None, None)).collect();
    check_edge(&codec, &inline, limits().decoded(size), limits().decoded(size - 1), "decoded");
}

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "never constructed")]
struct Endless(Option<Box<Endless>>);

fn nesting_bombs_and_false_lengths_are_refused<C: Codec>(codec: C) {
    // Postcard takes a byte for each level. In the other formats a number decodes at any level.
    let endless: &[u8] = if C::ID == "postcard" { &[1; 100_000] } else { b"5" };
    refused(decode_within::<_, Endless>(&codec, endless, limits().budget()), "depth");
    let claims: [&[u8]; 3] =
        [&[0xff, 0xff, 0xff, 0xff, 0x0f], &[0x9a, 0xff, 0xff, 0xff, 0xff], b"[null,null]"];
    for bytes in claims {
        assert!(decode_within::<_, Vec<()>>(&codec, bytes, limits().elements(1).budget()).is_err());
        assert!(decode_within::<_, Vec<u64>>(&codec, bytes, limits().elements(1).budget()).is_err());
    }
}

/// Ignores the error of a part.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Lenient {
    #[serde(deserialize_with = "or_default")]
    numbers: Vec<u8>,
}

fn or_default<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    Ok(Vec::deserialize(deserializer).unwrap_or_default())
}

fn an_error_that_a_type_ignores_still_counts<C: Codec>(codec: C) {
    let value = Lenient { numbers: vec![1; 10] };
    check_edge(&codec, &value, limits().elements(10), limits().elements(9), "elements");
}

/// Decodes another value while it is decoded, with another budget.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Outer {
    before: Vec<u8>,
    #[serde(deserialize_with = "decode_nested")]
    inner: Vec<u8>,
    after: Vec<u8>,
}

fn decode_nested<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let value: Vec<u8> = Vec::deserialize(deserializer)?;
    let bytes = encoded(&Postcard, &value);
    refused(decode_within::<_, Vec<u8>>(&Postcard, &bytes, limits().elements(2).budget()), "elements");
    Ok(decode_within(&Postcard, &bytes, limits().elements(3).budget()).unwrap())
}

fn nested_decoding_has_its_own_budget<C: Codec>(codec: C) {
    let value = Outer { before: vec![1; 5], inner: vec![2; 3], after: vec![3; 4] };
    check_edge(&codec, &value, limits().elements(12), limits().elements(11), "elements");
}

fn bytes_are_encoded_as_bytes<C: Codec>(codec: C) {
    let bytes = Bytes::from(vec![0xa5; 100_000]);
    let wire = encoded(&codec, &serde_bytes::Bytes::new(&bytes));
    assert_eq!(decode_within::<_, serde_bytes::ByteBuf>(&codec, &wire, limits().budget()).unwrap(), bytes);
    if C::ID != "json" {
        assert!(wire.len() < bytes.len() + 8, "{} bytes", wire.len());
    }
}

macro_rules! suite {
    ($($name:ident: $codec:expr;)*) => {$(
        mod $name {
            use super::*;
            suite! { @ $codec;
                depth_is_limited elements_are_limited decoded_bytes_are_limited nesting_bombs_and_false_lengths_are_refused
                an_error_that_a_type_ignores_still_counts
                nested_decoding_has_its_own_budget
                bytes_are_encoded_as_bytes
            }
        }
    )*};
    (@ $codec:expr; $($test:ident)*) => {$(
        #[test]
        fn $test() { super::$test($codec) }
    )*};
}

suite! {
    json: Json;
    postcard: Postcard;
    cbor: Cbor;
}
