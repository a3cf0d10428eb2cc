//! Small inputs that encode values with much memory or deep nesting.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;

use isolated_workers_codec::{Cbor, Codec, CodecError, Json, Postcard, decode_within};
use isolated_workers_core::{Budget, Limits};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::memory::measured;

/// Decodes within the default budget and a stack of 2 MiB.
fn decoded<C: Codec, T: DeserializeOwned + Send>(codec: &C, bytes: &[u8]) -> (usize, Result<T, CodecError>) {
    measured(|| decode_within(codec, bytes, Budget::default()))
}

#[track_caller]
fn over_budget<C: Codec, T: DeserializeOwned + Send + Debug>(codec: &C, bytes: &[u8]) {
    let (_, result) = decoded::<_, T>(codec, bytes);
    let error = result.unwrap_err();
    assert!(error.is_over_budget(), "{error}");
}

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "never constructed")]
struct Endless(Option<Box<Endless>>);

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "never constructed")]
enum Chain {
    End,
    Link(Box<Chain>),
    Links(Vec<Chain>),
    Named { next: Box<Chain> },
}

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "never constructed")]
struct Newtype(Box<Newtype>, u8);

#[test]
fn deep_postcard_values_are_over_budget() {
    for size in [60_000, 100_000, 8_000_000] {
        over_budget::<_, Endless>(&Postcard, &vec![1; size]);
        over_budget::<_, Chain>(&Postcard, &vec![1; size]);
        over_budget::<_, Chain>(&Postcard, &vec![3; size]);
        over_budget::<_, Chain>(&Postcard, &[2, 1].repeat(size / 2));
    }
    over_budget::<_, Newtype>(&Postcard, b"");
}

#[test]
fn deep_json_and_cbor_values_are_over_budget() {
    over_budget::<_, Value>(&Json, &[b'['; 100_000]);
    over_budget::<_, Value>(&Json, "{\"a\":".repeat(100_000).as_bytes());
    over_budget::<_, Value>(&Cbor, &[0x81; 100_000]);
    over_budget::<_, Value>(&Cbor, &b"\xa1\x61a".repeat(100_000));
    over_budget::<_, Value>(&Cbor, &[0x9f; 100_000]);
    over_budget::<_, Chain>(&Json, "{\"Link\":".repeat(100_000).as_bytes());
    over_budget::<_, Chain>(&Cbor, &b"\xa1\x64Link".repeat(100_000));
    // Tags are not levels of a value, but the library recurses into them.
    assert!(decoded::<_, Value>(&Cbor, &[0xc1; 100_000]).1.is_err());
}

#[test]
fn infinitely_nested_types_are_over_budget() {
    for bytes in [&b"5"[..], b"true", b"[]"] {
        over_budget::<_, Endless>(&Json, bytes);
    }
    for bytes in [&[0x05][..], &[0xf5], &[0x80]] {
        over_budget::<_, Endless>(&Cbor, bytes);
    }
}

#[test]
fn elements_without_bytes_are_over_budget() {
    // 2^32 - 1 elements.
    fn refused<T: DeserializeOwned + Send + Debug>(bytes: &[u8]) {
        let budget = Limits::default().frame(64 << 10).budget();
        let (_, result) = measured(|| decode_within::<_, T>(&Postcard, bytes, budget));
        assert!(result.unwrap_err().is_over_budget());
    }
    refused::<Vec<()>>(&[0xff, 0xff, 0xff, 0xff, 0x0f]);
    refused::<Vec<((), [(); 3])>>(&[0xff, 0xff, 0xff, 0xff, 0x0f]);
    refused::<Vec<Vec<()>>>(&[&[0xff, 0xff, 0xff, 0x7f][..], &[0x7f; 1 << 20]].concat());
    for claim in
        [&[0x9a, 0xff, 0xff, 0xff, 0xff][..], &[0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]]
    {
        assert!(decoded::<_, Vec<()>>(&Cbor, claim).1.is_err());
        assert!(decoded::<_, Vec<u64>>(&Cbor, claim).1.is_err());
    }
}

#[test]
fn false_lengths_reserve_little_memory() {
    fn check<C: Codec, T: DeserializeOwned + Send>(codec: &C, bytes: &[u8]) {
        let (peak, result) = decoded::<_, T>(codec, bytes);
        assert!(result.is_err());
        // Memory for at most 4,096 elements is reserved, here of up to 64 bytes each.
        assert!(peak <= 512 << 10, "{peak} bytes for {bytes:x?}");
    }
    fn check_claims<C: Codec>(codec: &C, claims: [&[u8]; 4]) {
        let [text, bytes, list, map] = claims;
        check::<_, String>(codec, text);
        check::<_, serde_bytes::ByteBuf>(codec, bytes);
        check::<_, Vec<u8>>(codec, list);
        check::<_, Vec<[u64; 8]>>(codec, list);
        check::<_, HashMap<u64, String>>(codec, map);
        check::<_, BTreeMap<String, u64>>(codec, map);
    }
    let varint = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
    check_claims(&Postcard, [&varint; 4]);
    check_claims(&Postcard, [&[0xff, 0xff, 0xff, 0xff, 0x0f]; 4]);
    let claim = |major: u8, more: &[u8]| [&[major << 5 | 26][..], more].concat();
    let four = [0xff; 4];
    check_claims(&Cbor, [&claim(3, &four), &claim(2, &four), &claim(4, &four), &claim(5, &four)]);
    check_claims(&Cbor, [&[0x7f], &[0x5f], &[0x9f], &[0xbf]]);
    let claim = |major: u8| [&[major << 5 | 27][..], &[0xff; 8]].concat();
    check_claims(&Cbor, [&claim(3), &claim(2), &claim(4), &claim(5)]);
}

#[test]
fn bytes_after_a_value_are_an_error() {
    for (bytes, fits) in [(&b"7"[..], true), (b"7 ", true), (b"7 7", false), (b"7,", false), (b"7\0", false)]
    {
        assert_eq!(decoded::<_, u8>(&Json, bytes).1.is_ok(), fits);
    }
    for codec_takes in [decoded::<_, u8>(&Postcard, &[7, 7]).1, decoded::<_, u8>(&Cbor, &[7, 7]).1] {
        assert!(codec_takes.unwrap_err().to_string().contains("1 unexpected bytes after the value"));
    }
    assert!(decoded::<_, ()>(&Postcard, &[0]).1.is_err());
    assert!(decoded::<_, ()>(&Cbor, &[0xf6, 0xf6]).1.is_err());
}

/// Decodes `bytes` and checks that the peak of memory is at most `max_budgets` budgets.
fn check_peak<C: Codec, T: DeserializeOwned>(max_budgets: f64, codec: &C, bytes: &[u8]) {
    let budget = Limits::default().frame(SIZE).budget();
    let (peak, _) = measured(|| decode_within::<_, T>(codec, bytes, budget).map(drop));
    let times = peak as f64 / budget.decoded as f64;
    let what = std::any::type_name::<T>();
    assert!(times <= max_budgets, "{times:.2} budgets for {what} of {}, not {max_budgets}", C::ID);
}

const SIZE: usize = 1 << 20;

/// Peaks in budgets, as documented at [`Budget::decoded`].
const VEC: f64 = 3.01;
const HASH_MAP: f64 = 4.0;
const B_TREE_MAP: f64 = 12.0;

#[test]
fn json_stays_within_documented_peaks() {
    let list = |part: &str| format!("[{part}{}]", format!(",{part}").repeat(SIZE / (part.len() + 1) - 1));
    for part in ["0", "null", "[]", "\"\"", "{}", "[0]"] {
        check_peak::<_, Value>(VEC, &Json, list(part).as_bytes());
    }
    for part in [r#"{"":0}"#, r#"{"a":{"":{"":0}}}"#] {
        check_peak::<_, Value>(B_TREE_MAP, &Json, list(part).as_bytes());
    }
    check_peak::<_, Vec<BTreeMap<String, u8>>>(B_TREE_MAP, &Json, list(r#"{"":0}"#).as_bytes());
    check_peak::<_, Vec<HashMap<String, u8>>>(HASH_MAP, &Json, list(r#"{"":0}"#).as_bytes());
    check_peak::<_, Vec<Vec<u8>>>(VEC, &Json, list("[0]").as_bytes());
}

#[test]
fn cbor_stays_within_documented_peaks() {
    let list = |part: &[u8]| [&[0x9f][..], &part.repeat(SIZE / part.len()), &[0xff]].concat();
    for part in [&[0xf6][..], &[0x80], &[0x60], &[0x81, 0]] {
        check_peak::<_, Value>(VEC, &Cbor, &list(part));
    }
    check_peak::<_, Value>(B_TREE_MAP, &Cbor, &list(&[0xa1, 0x60, 0]));
    check_peak::<_, Vec<Option<[u64; 32]>>>(VEC, &Cbor, &list(&[0xf6]));
}

#[test]
fn postcard_stays_within_documented_peaks() {
    let list = |part: &[u8]| {
        let count = SIZE / part.len();
        let varint = [0x80 | count as u8, 0x80 | (count >> 7) as u8, (count >> 14) as u8];
        [&varint, &part.repeat(count)[..]].concat()
    };
    check_peak::<_, Vec<Option<[u64; 32]>>>(VEC, &Postcard, &list(&[0]));
    check_peak::<_, Vec<Vec<u8>>>(VEC, &Postcard, &list(&[0]));
    check_peak::<_, Vec<Vec<u8>>>(VEC, &Postcard, &list(&[1, 0]));
    check_peak::<_, Vec<String>>(VEC, &Postcard, &list(&[0]));
    let one = [&[1][..], &[0; 9]].concat();
    check_peak::<_, Vec<HashMap<u8, [u64; 8]>>>(HASH_MAP, &Postcard, &list(&one));
    check_peak::<_, Vec<BTreeMap<u8, [u64; 8]>>>(B_TREE_MAP, &Postcard, &list(&one));
}

type LargeElement = Option<[u64; 32]>;

#[derive(Debug, Deserialize)]
#[serde(untagged)]
#[expect(dead_code, reason = "never read")]
enum Untagged {
    List(Vec<LargeElement>),
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type")]
#[expect(dead_code, reason = "never read")]
enum Tagged {
    List { list: Vec<LargeElement> },
}

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "never read")]
struct Flat {
    #[serde(flatten)]
    rest: BTreeMap<String, Vec<LargeElement>>,
}

#[test]
fn buffered_values_stay_within_documented_peaks() {
    /// Size of a value in serde's buffer.
    const BUFFERED_BYTES: f64 = 32.0;
    let peak = VEC + VEC * size_of::<LargeElement>() as f64 / BUFFERED_BYTES;
    // As many as the budget allows in the buffer.
    let count = Limits::default().frame(SIZE).budget().decoded / BUFFERED_BYTES as usize - 10;
    let json = format!("[null{}]", ",null".repeat(count - 1));
    let named = format!("{{\"type\":\"List\",\"list\":{json}}}");
    check_peak::<_, Untagged>(peak, &Json, json.as_bytes());
    // Before its tag, and after it.
    check_peak::<_, Tagged>(peak, &Json, named.as_bytes());
    check_peak::<_, Tagged>(peak, &Json, format!("{{\"list\":{json},\"type\":\"List\"}}").as_bytes());
    check_peak::<_, Flat>(peak, &Json, format!("{{\"list\":{json}}}").as_bytes());
    let cbor = [&[0x9f][..], &vec![0xf6; count], &[0xff]].concat();
    check_peak::<_, Untagged>(peak, &Cbor, &cbor);
    check_peak::<_, Flat>(peak, &Cbor, &[&b"\xa1\x64list"[..], &cbor].concat());
}
