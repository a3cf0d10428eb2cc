//! Every truncation and every bit flip of the golden frames of docs/wire.md, through every framing.

use bytes::{BufMut, BytesMut};
use isolated_workers_codec::{Cbor, Codec, Compressed, Json, Postcard, decode_within};
use isolated_workers_core::{Frame, Limits};
use serde_json::Value;
use tokio_util::codec::{Decoder, Encoder};

use super::memory::measured;
use crate::page;

/// The state of zlib, and the texts of errors.
const SMALL: usize = 128 << 10;

/// A frame, and a body that is decoded.
fn read<C: Codec>(codec: &C, wire: &[u8]) -> Result<Option<Frame>, String> {
    let mut wire = BytesMut::from(wire);
    let frame = codec.framing(Limits::default()).decode_eof(&mut wire).map_err(|error| error.to_string())?;
    if let Some(body) = frame.as_ref().and_then(Frame::body) {
        let budget = body.budget();
        let _ = decode_within::<_, (i64, i64)>(codec, body.as_bytes(), budget);
        let _ = decode_within::<_, String>(codec, body.as_bytes(), budget);
        let _ = decode_within::<_, Value>(codec, body.as_bytes(), budget);
    }
    Ok(frame)
}

fn broken<C: Codec>(codec: C, golden: &[u8]) {
    let small = |what: &str, at: usize, wire: &[u8]| {
        let (peak, result) = measured(|| read(&codec, wire));
        assert!(peak <= SMALL, "{what} {at} of {golden:x?} takes {peak} bytes");
        result
    };
    assert!(matches!(small("all", 0, golden), Ok(Some(_))));
    for end in 0..golden.len() {
        let read = small("a truncation at", end, &golden[..end]);
        // The line feed is no part of a frame's text.
        assert!(!matches!(read, Ok(Some(_))), "{end} bytes of {golden:x?} are taken for a frame");
    }
    for bit in 0..8 * golden.len() {
        let mut flipped = golden.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let _ = small("a flip of bit", bit, &flipped);
    }
}

/// The frame within one of [`Compressed`], sent plain and compressed.
fn compressed<C: Codec>(codec: C, golden: &[u8]) {
    let mut plain = BytesMut::new();
    plain.put_u32(golden.len() as u32 + 1);
    plain.put_u8(0);
    plain.put_slice(golden);
    broken(Compressed::new(codec.clone()), &plain);

    let frame = codec.framing(Limits::default()).decode(&mut BytesMut::from(golden)).unwrap().unwrap();
    let mut small = BytesMut::new();
    Compressed::new(codec.clone())
        .threshold(0)
        .framing(Limits::default())
        .encode(&frame, &mut small)
        .unwrap();
    broken(Compressed::new(codec), &small);
}

#[test]
fn of_json() {
    let [json, _] = page::frames();
    assert!(json.len() >= 17);
    json.values().for_each(|frame| broken(Json, frame));
}

#[test]
fn of_binary_frames() {
    let [_, binary] = page::frames();
    assert!(binary.len() >= 17);
    for frame in binary.values() {
        broken(Postcard, frame);
        broken(Cbor, frame);
    }
}

#[test]
fn of_compressed_frames() {
    let [json, binary] = page::frames();
    json.values().for_each(|frame| compressed(Json, frame));
    binary.values().for_each(|frame| compressed(Postcard, frame));
    page::binary("compressed-json").values().for_each(|frame| broken(Compressed::new(Json), frame));
    page::binary("compressed-postcard").values().for_each(|frame| broken(Compressed::new(Postcard), frame));
}
