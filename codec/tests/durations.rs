//! Time that large values hold a thread, per codec. Run by hand, in release mode:
//! `cargo test --release -p isolated-workers-codec --test durations -- --ignored --nocapture`

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use isolated_workers_codec::{
    BodyLimit, Cbor, Codec, Compressed, Json, Pieces, Postcard, decode_body, encode_body, zero_copy_bytes,
};
use isolated_workers_core::{Body, Limits};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

const MIB: usize = 1 << 20;

#[derive(Clone, Serialize, Deserialize)]
struct Order {
    id: u64,
    item: String,
    count: u32,
    price: f64,
    note: Option<String>,
    tags: Vec<u16>,
}

#[derive(Serialize, Deserialize)]
struct Shared(#[serde(with = "zero_copy_bytes")] Bytes);

fn order(id: u64) -> Order {
    Order {
        id: id * 1_000_003,
        item: format!("item {}", id % 1000),
        count: id as u32 % 100,
        price: id as f64 / 7.0,
        note: id.is_multiple_of(3).then(|| "leave it at the door".to_owned()),
        tags: vec![id as u16, 7, 300],
    }
}

/// Shortest of five durations, because other load only adds to them.
fn shortest<T>(mut run: impl FnMut() -> T) -> (Duration, T) {
    let mut timed = || {
        let start = Instant::now();
        let result = run();
        (start.elapsed(), result)
    };
    let first = timed();
    (1..5).map(|_| timed()).fold(first, |best, next| if next.0 < best.0 { next } else { best })
}

/// Measures a value that takes about `bytes` encoded bytes. `make` makes it of a number of parts.
fn measure<C: Codec, T: Serialize + DeserializeOwned>(
    codec: &C,
    what: &str,
    bytes: usize,
    make: fn(usize) -> T,
) {
    let sample = encode_body(codec, &make(10_000)).unwrap().len();
    let value = make((10_000_f64 * bytes as f64 / sample as f64) as usize);
    // Memory that was used before, as in a connection that has sent such a message.
    let mut buffer = BytesMut::with_capacity(3 * bytes);
    let (encoding, ()) = shortest(|| {
        buffer.clear();
        let mut pieces = Pieces::new(&mut buffer);
        codec.encode_pieces(&value, &mut pieces).unwrap();
    });
    let mut body = Body::from(encode_body(codec, &value).unwrap().into_bytes());
    drop(value);
    body.set_budget(Limits::default().frame(2 * bytes).decoded(usize::MAX).budget());
    let (decoding, _) = shortest(|| decode_body::<_, T>(codec, &body).unwrap());
    let size = body.len() as f64 / MIB as f64;
    println!("{:20} {what:12} {size:5.1} MiB: encoded in {encoding:8.2?}, decoded in {decoding:8.2?}", C::ID);
}

fn every_shape<C: Codec>(codec: C) {
    for mebibytes in [1, 2, 3, 4, 8, 64] {
        let bytes = mebibytes * MIB;
        measure(&codec, "Bytes", bytes, |parts| Shared(vec![7; 32 * parts].into()));
        measure(&codec, "one text", bytes, |parts| "a text: €, \"quoted\".\n".repeat(parts));
        measure(&codec, "short texts", bytes, |parts| vec!["a short text".to_owned(); parts]);
        measure(&codec, "integers", bytes, |parts| (0..parts as u64).map(|at| at * 7919).collect::<Vec<_>>());
        measure(&codec, "floats", bytes, |parts| (0..parts).map(|at| at as f64 / 7.0).collect::<Vec<_>>());
        measure(&codec, "structs", bytes, |parts| (0..parts as u64).map(order).collect::<Vec<_>>());
    }
}

#[test]
#[ignore = "prints durations, which are meaningful only in release mode"]
fn durations_of_large_values() {
    every_shape(Json);
    every_shape(Postcard);
    every_shape(Cbor);
    every_shape(Compressed::new(Postcard));
}

#[test]
#[ignore = "prints durations, which are meaningful only in release mode"]
fn durations_of_interrupted_values() {
    fn measure<C: Codec>(codec: C) {
        let sample = encode_body(&codec, &(0..10_000).map(order).collect::<Vec<_>>()).unwrap().len();
        let value: Vec<_> = (0..(80_000 * MIB / sample) as u64).map(order).collect();
        let encoded = |interrupt_bytes| {
            let mut buffer = BytesMut::new();
            let mut pieces = Pieces::new(&mut buffer);
            pieces.interrupt_at(interrupt_bytes);
            let result = codec.encode_pieces(&value, &mut pieces);
            pieces.check(result).is_ok()
        };
        let (whole, fits) = shortest(|| encoded(usize::MAX));
        let (interrupted, within) = shortest(|| encoded(MIB));
        assert!(fits && !within);
        println!("{:10} 8 MiB of structs: encoded in {whole:8.2?}, interrupted in {interrupted:8.2?}", C::ID);
    }
    measure(Json);
    measure(Postcard);
    measure(Cbor);
}

#[test]
#[ignore = "prints durations, which are meaningful only in release mode"]
fn durations_of_values_over_the_limit() {
    fn measure<C: Codec>(codec: &C, what: &str, value: &impl Serialize) {
        let encoded = |limit| {
            let mut buffer = BytesMut::new();
            let mut pieces = Pieces::new(&mut buffer);
            pieces.limit_to(limit);
            let result = codec.encode_pieces(value, &mut pieces);
            pieces.check(result).is_ok()
        };
        let (whole, fits) = shortest(|| encoded(BodyLimit::NONE));
        let (refused, within) = shortest(|| encoded(codec.body_limit(Limits::default())));
        assert!(fits && !within);
        println!("{:10} {what}: encoded in {whole:8.2?}, refused in {refused:8.2?}", C::ID);
    }
    fn both<C: Codec>(codec: C) {
        measure(&codec, "50 MB of numbers", &vec![200_u8; 50_000_000]);
        measure(&codec, "a million structs", &(0..1_000_000).map(order).collect::<Vec<_>>());
    }
    both(Json);
    both(Postcard);
    both(Cbor);
}
