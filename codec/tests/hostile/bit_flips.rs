//! Every truncation and every bit flip of the golden frames of docs/wire.md, in every framing.

use bytes::{BufMut, BytesMut};
use isolated_workers_codec::{Cbor, Codec, Compressed, Json, Postcard, decode_within};
use isolated_workers_core::{Frame, Limits};
use serde_json::Value;
use tokio_util::codec::{Decoder, Encoder};

use super::memory::measured;
use crate::page;

/// Memory for the state of zlib and the texts of errors.
const MAX_BYTES: usize = 128 << 10;

/// Decodes a frame and its body.
fn decode<C: Codec>(codec: &C, wire: &[u8]) -> Result<Option<Frame>, String> {
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

fn break_frame<C: Codec>(codec: C, golden: &[u8]) {
    let checked = |what: &str, at: usize, wire: &[u8]| {
        let (peak, result) = measured(|| decode(&codec, wire));
        assert!(peak <= MAX_BYTES, "{what} {at} of {golden:x?} takes {peak} bytes");
        result
    };
    assert!(matches!(checked("all", 0, golden), Ok(Some(_))));
    for end in 0..golden.len() {
        let result = checked("a truncation at", end, &golden[..end]);
        assert!(!matches!(result, Ok(Some(_))), "{end} bytes of {golden:x?} decode to a frame");
    }
    for bit in 0..8 * golden.len() {
        let mut flipped = golden.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let _ = checked("a flip of bit", bit, &flipped);
    }
}

/// Breaks the inner frame of a [`Compressed`] frame, both plain and compressed.
fn break_compressed<C: Codec>(codec: C, golden: &[u8]) {
    let mut plain = BytesMut::new();
    plain.put_u32(golden.len() as u32 + 1);
    plain.put_u8(0);
    plain.put_slice(golden);
    break_frame(Compressed::new(codec.clone()), &plain);

    let frame = codec.framing(Limits::default()).decode(&mut BytesMut::from(golden)).unwrap().unwrap();
    let mut small = BytesMut::new();
    Compressed::new(codec.clone())
        .threshold(0)
        .framing(Limits::default())
        .encode(&frame, &mut small)
        .unwrap();
    break_frame(Compressed::new(codec), &small);
}

#[test]
fn broken_json_frames_are_harmless() {
    let [json, _] = page::frames();
    assert!(json.len() >= 17);
    json.values().for_each(|frame| break_frame(Json, frame));
}

#[test]
fn broken_binary_frames_are_harmless() {
    let [_, binary] = page::frames();
    assert!(binary.len() >= 17);
    for frame in binary.values() {
        break_frame(Postcard, frame);
        break_frame(Cbor, frame);
    }
}

#[test]
fn broken_compressed_frames_are_harmless() {
    let [json, binary] = page::frames();
    json.values().for_each(|frame| break_compressed(Json, frame));
    binary.values().for_each(|frame| break_compressed(Postcard, frame));
    page::binary("compressed-json").values().for_each(|frame| break_frame(Compressed::new(Json), frame));
    page::binary("compressed-postcard")
        .values()
        .for_each(|frame| break_frame(Compressed::new(Postcard), frame));
}
