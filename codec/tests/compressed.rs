//! Compressed frames, and bytes that claim to be compressed.

use std::io::Write;

use bytes::{BufMut, Bytes, BytesMut};
use flate2::Compression;
use flate2::write::ZlibEncoder;
use isolated_workers_codec::{Cbor, Codec, Compressed, FrameError, Framing, Json, Postcard};
use isolated_workers_core::{Frame, Limits, Metadata, Name};
use tokio_util::codec::{Decoder, Encoder};

fn reply(body: impl Into<Bytes>) -> Frame {
    Frame::reply(1.into(), Name::default(), body.into().into(), Metadata::new())
}

fn encoded<F: Framing>(mut framing: F, frame: &Frame) -> BytesMut {
    let mut wire = BytesMut::new();
    framing.encode(frame, &mut wire).unwrap();
    wire
}

fn framing<C: Codec>(codec: &Compressed<C>) -> <Compressed<C> as Codec>::Framing {
    codec.framing(Limits::default())
}

/// A JSON string, which every framing accepts as a body.
fn text(size: usize) -> Vec<u8> {
    format!("\"{}\"", "a text that is repeated. ".repeat(size / 25)).into_bytes()
}

/// A JSON string of noise.
fn noise(size: usize) -> Vec<u8> {
    let mut state = 1u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        char::from(b'#' + (state >> 58) as u8)
    };
    // Each character carries 6 bits, so zlib can save a quarter at most.
    let noise: String = (0..size).map(|_| next()).map(|sign| if sign == '\\' { 'a' } else { sign }).collect();
    format!("\"{noise}\"").into_bytes()
}

/// A frame that is flagged as compressed and contains `compressed`.
fn flagged_as_compressed(compressed: &[u8]) -> BytesMut {
    let mut wire = BytesMut::new();
    wire.put_u32(compressed.len() as u32 + 1);
    wire.put_u8(1);
    wire.put_slice(compressed);
    wire
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn only_frames_over_the_threshold_are_compressed<C: Codec>(codec: C) {
    let plain = codec.framing(Limits::default());
    let codec = Compressed::new(codec.clone()).threshold(1000);
    let (mut sender, mut receiver) = (framing(&codec), framing(&codec));
    let mut plain_framing = plain;
    for (body, flag) in
        [(text(500), 0), (text(5000), 1), (text(500_000), 1), (vec![b'1'], 0), (text(70_000), 1)]
    {
        let mut wire = BytesMut::new();
        let mut inside = BytesMut::new();
        let frame = reply(body.clone());
        sender.encode(&frame, &mut wire).unwrap();
        plain_framing.encode(&frame, &mut inside).unwrap();
        assert_eq!(
            (wire.len() - 4, wire[4]),
            (u32::from_be_bytes(*wire.first_chunk().unwrap()) as usize, flag)
        );
        if flag == 0 {
            assert_eq!(wire[5..], inside);
        } else {
            assert!(wire.len() < inside.len() / 4);
            assert!(zlib_opened(&wire[5..]) == inside);
        }
        let received = receiver.decode(&mut wire).unwrap().unwrap();
        assert!(received.body().unwrap().as_bytes() == body);
        assert!(wire.is_empty());
    }
}

fn zlib_opened(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    std::io::copy(&mut flate2::read::ZlibDecoder::new(bytes), &mut out).unwrap();
    out
}

#[test]
fn every_codec_can_be_compressed() {
    only_frames_over_the_threshold_are_compressed(Json);
    only_frames_over_the_threshold_are_compressed(Postcard);
    only_frames_over_the_threshold_are_compressed(Cbor);
}

#[test]
fn the_id_names_the_inner_codec() {
    fn id<C: Codec>(_: C) -> &'static str {
        C::ID
    }
    assert_eq!(id(Compressed::new(Json)), "compressed+json");
    assert_eq!(id(Compressed::new(Compressed::new(Cbor))), "compressed+compressed+cbor");
}

#[test]
fn incompressible_frames_are_sent_uncompressed() {
    let codec = Compressed::new(Postcard).level(0);
    assert_eq!(encoded(framing(&codec), &reply(text(100_000)))[4], 0);
    let codec = Compressed::new(Postcard);
    let small = zlib(&noise(100_000));
    assert_eq!(encoded(framing(&codec), &reply(small))[4], 0);
}

#[track_caller]
fn too_large<T: std::fmt::Debug>(result: Result<T, FrameError>, limit: usize, setting: &str) {
    let error = result.unwrap_err();
    assert!(matches!(error, FrameError::TooLarge { limit: is, .. } if is == limit), "{error}");
    assert!(
        error.to_string().contains(&format!("over the limit of {limit}; raise `{setting}` on both sides")),
        "{error}"
    );
}

#[test]
fn the_cap_holds_on_both_sides() {
    let frame = reply(text(100_000));
    let size = encoded(Postcard.framing(Limits::default()), &frame).len();
    let capped = |cap| Compressed::new(Postcard).cap(cap);
    let wire = encoded(framing(&capped(size)), &frame);
    assert!(framing(&capped(size)).decode(&mut wire.clone()).unwrap().is_some());
    too_large(framing(&capped(size - 1)).decode(&mut wire.clone()), size - 1, "Compressed::cap");
    too_large(framing(&capped(size - 1)).encode(&frame, &mut BytesMut::new()), size - 1, "Compressed::cap");

    // The default cap is the limit of frames. With a larger cap, only the compressed size is below
    // it.
    let small = Limits::default().frame(50_000);
    too_large(Compressed::new(Postcard).framing(small).decode(&mut wire.clone()), 50_000, "Limits::frame");
    too_large(
        Compressed::new(Postcard).framing(small).encode(&frame, &mut BytesMut::new()),
        50_000,
        "Limits::frame",
    );
    let mut wire = BytesMut::new();
    capped(size).framing(small).encode(&frame, &mut wire).unwrap();
    assert!(capped(size).framing(small).decode(&mut wire).unwrap().is_some());
    let noise = reply(noise(80_000));
    too_large(capped(1 << 20).framing(small).encode(&noise, &mut wire), 50_000, "Limits::frame");
    assert!(wire.is_empty());
}

#[test]
fn the_ratio_holds_on_both_sides() {
    let zeros = reply(vec![0; 4 << 20]);
    let codec = Compressed::new(Postcard);
    assert_eq!(encoded(framing(&codec), &zeros)[4], 0, "sent uncompressed, so that the peer accepts it");
    let wire = encoded(framing(&codec.ratio(2000)), &zeros);
    assert_eq!(wire[4], 1);
    assert!(framing(&codec.ratio(2000)).decode(&mut wire.clone()).unwrap().is_some());
    let allowed = (wire.len() - 5) * 1000;
    too_large(framing(&codec).decode(&mut wire.clone()), allowed, "Compressed::ratio");
}

#[test]
fn a_zip_bomb_stops_at_the_cap() {
    // 64 KiB that decompress to 64 MiB.
    let mut bomb = flagged_as_compressed(&zlib(&vec![0; 64 << 20]));
    too_large(framing(&Compressed::new(Postcard).ratio(10_000)).decode(&mut bomb), 8 << 20, "Limits::frame");
}

#[test]
fn truncated_frames_and_extra_bytes_are_refused() {
    let codec = Compressed::new(Postcard);
    let inside = encoded(Postcard.framing(Limits::default()), &reply(text(100)));
    let decode = |bytes: &[u8]| framing(&codec).decode(&mut flagged_as_compressed(bytes));
    let good = zlib(&inside);
    assert!(decode(&good).unwrap().is_some());
    for end in 0..good.len() {
        assert!(decode(&good[..end]).is_err(), "{end} bytes of {}", good.len());
    }
    let refused = |bytes: &[u8], why: &str| {
        let error = decode(bytes).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    };
    refused(&[&good[..], b"x"].concat(), "it has bytes after its zlib stream");
    refused(&[&good[..], &good[..]].concat(), "it has bytes after its zlib stream");
    refused(&zlib(&[&inside[..], b"x"].concat()), "it has bytes after its inner frame");
    refused(&zlib(&[&inside[..], &inside[..]].concat()), "it has bytes after its inner frame");
    refused(&zlib(&inside[..inside.len() - 1]), "its inner frame is incomplete");
    refused(&zlib(b""), "its inner frame is incomplete");

    let mut other = flagged_as_compressed(&good);
    other[4] = 2;
    assert!(
        framing(&codec).decode(&mut other).unwrap_err().to_string().contains("unknown compression flag 2")
    );
    let mut empty = BytesMut::from(&[0, 0, 0, 0][..]);
    assert!(framing(&codec).decode(&mut empty).unwrap_err().to_string().contains("empty"));
}

#[test]
fn a_flipped_bit_never_yields_another_frame() {
    let codec = Compressed::new(Postcard);
    let frame = reply(noise(1500));
    let wire = encoded(framing(&codec), &frame);
    assert_eq!(wire[4], 1);
    let mut unnoticed = 0;
    for bit in 5 * 8..wire.len() * 8 {
        let mut broken = wire.clone();
        broken[bit / 8] ^= 1 << (bit % 8);
        match framing(&codec).decode(&mut broken) {
            Err(_) => {}
            // Padding bits between the stream and its checksum have no meaning.
            Ok(Some(received)) if received.body() == frame.body() => unnoticed += 1,
            other => panic!("bit {bit}: {other:?}"),
        }
    }
    assert!(unnoticed < 8, "{unnoticed}");
}
