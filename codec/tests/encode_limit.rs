//! Encoding ends at the limit of the body, with every codec, whatever the size of the value.

use std::cell::Cell;

use bytes::{Bytes, BytesMut};
use isolated_workers_codec::{
    BodyLimit, Cbor, Codec, CodecError, Compressed, Json, Pieces, Postcard, zero_copy_bytes,
};
use isolated_workers_core::Limits;
use serde::ser::SerializeSeq;
use serde::{Serialize, Serializer};

const LIMIT: usize = 1 << 20;

/// Sequence of a billion numbers, which counts those that were encoded.
#[derive(Default)]
struct Numbers {
    encoded: Cell<usize>,
}

impl Serialize for Numbers {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        const LEN: usize = 1_000_000_000;
        let mut sequence = serializer.serialize_seq(Some(LEN))?;
        for number in 0..LEN {
            self.encoded.set(number);
            sequence.serialize_element(&7_u8)?;
        }
        sequence.end()
    }
}

fn limit<C: Codec>(codec: &C) -> BodyLimit {
    codec.body_limit(Limits::default().frame(LIMIT))
}

fn encoded<C: Codec, T: Serialize>(codec: &C, value: &T) -> Result<usize, CodecError> {
    let mut buffer = BytesMut::new();
    let mut pieces = Pieces::new(&mut buffer);
    pieces.limit_to(limit(codec));
    let result = codec.encode_pieces(value, &mut pieces);
    pieces.check(result)?;
    Ok(pieces.into_shared().into_body(buffer.freeze()).len())
}

#[track_caller]
fn refused<C: Codec, T: Serialize>(codec: &C, value: &T) {
    let error = encoded(codec, value).unwrap_err();
    assert!(error.is_over_budget() && error.can_raise_limit(), "{error}");
    assert_eq!(error.to_string(), "it has more than 1048576 bytes; raise `Limits::frame` on both sides");
}

fn encoding_ends_at_the_limit<C: Codec>(codec: C) {
    let numbers = Numbers::default();
    refused(&codec, &numbers);
    // The buffer doubles while it grows.
    let encoded = numbers.encoded.get();
    assert!((LIMIT / 4..=2 * LIMIT).contains(&encoded), "{encoded} numbers");
}

fn a_value_of_the_largest_size_is_encoded<C: Codec>(codec: C) {
    let rest = encoded(&codec, &"x".repeat(LIMIT / 2)).unwrap() - LIMIT / 2;
    assert_eq!(encoded(&codec, &"x".repeat(LIMIT - rest)).unwrap(), LIMIT);
    refused(&codec, &"x".repeat(LIMIT - rest + 1));
    refused(&codec, &vec!["y".repeat(1000); LIMIT / 1000]);
}

fn shared_bytes_count<C: Codec>(codec: C) {
    #[derive(Serialize)]
    struct Shared(#[serde(with = "zero_copy_bytes")] Bytes, #[serde(with = "zero_copy_bytes")] Bytes);

    let half = |more: usize| Bytes::from(vec![7; LIMIT / 2 + more]);
    refused(&codec, &Shared(half(0), half(0)));
    refused(&codec, &Shared(Bytes::new(), half(LIMIT)));
    encoded(&codec, &Shared(Bytes::new(), Bytes::from(vec![7; LIMIT / 4]))).unwrap();
}

/// Encodes a value that is interrupted at half of its limit.
fn interrupted<C: Codec, T: Serialize>(codec: &C, value: &T) -> Result<(), CodecError> {
    // Memory that needs not grow.
    let mut buffer = BytesMut::with_capacity(4 * LIMIT);
    let mut pieces = Pieces::new(&mut buffer);
    pieces.limit_to(limit(codec));
    pieces.interrupt_at(LIMIT / 2);
    let result = codec.encode_pieces(value, &mut pieces);
    pieces.check(result)
}

fn a_large_value_is_interrupted<C: Codec>(codec: C) {
    let numbers = Numbers::default();
    let error = interrupted(&codec, &numbers).unwrap_err();
    assert!(error.is_interruption() && !error.is_over_budget(), "{error}");
    assert!((LIMIT / 8..=LIMIT / 2).contains(&numbers.encoded.get()));
    interrupted(&codec, &vec![1_u8; LIMIT / 10]).unwrap();
}

fn large_slices_do_not_count_as_large<C: Codec>(codec: C) {
    interrupted(&codec, &("x".repeat(LIMIT / 4 * 3), vec![1_u8; LIMIT / 20])).unwrap();
    let error = interrupted(&codec, &"x".repeat(2 * LIMIT)).unwrap_err();
    assert!(error.is_over_budget(), "{error}");
}

#[test]
fn the_cap_of_a_compressed_codec_is_its_limit() {
    let limits = Limits::default().frame(LIMIT);
    let cap = |codec: Compressed<Json>| codec.body_limit(limits);
    assert_eq!(cap(Compressed::new(Json)), BodyLimit::new(LIMIT, "Limits::frame"));
    let large = Compressed::new(Json).cap(2 * LIMIT);
    assert_eq!(cap(large), BodyLimit::new(2 * LIMIT, "Compressed::cap"));
    let twice = Compressed::new(Compressed::new(Json).cap(LIMIT / 2)).cap(LIMIT);
    assert_eq!(twice.body_limit(limits), BodyLimit::new(LIMIT / 2, "Compressed::cap"));
}

macro_rules! suite {
    ($($name:ident: $codec:expr;)*) => {$(
        mod $name {
            use super::*;

            #[test]
            fn encoding_ends_at_the_limit() { super::encoding_ends_at_the_limit($codec) }
            #[test]
            fn a_value_of_the_largest_size_is_encoded() { super::a_value_of_the_largest_size_is_encoded($codec) }
            #[test]
            fn shared_bytes_count() { super::shared_bytes_count($codec) }
            #[test]
            fn a_large_value_is_interrupted() { super::a_large_value_is_interrupted($codec) }
            #[test]
            fn large_slices_do_not_count_as_large() { super::large_slices_do_not_count_as_large($codec) }
        }
    )*};
}

suite! {
    json: Json;
    postcard: Postcard;
    cbor: Cbor;
    compressed_json: Compressed::new(Json);
    compressed_postcard: Compressed::new(Postcard);
    compressed_cbor: Compressed::new(Cbor);
}
