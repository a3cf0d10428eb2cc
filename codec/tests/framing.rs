//! Properties of every framing.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use isolated_workers_codec::{
    Cbor, Codec, CodecError, Compressed, Delimiter, FrameError, Framing, Json, JsonLines, Postcard,
};
use isolated_workers_core::{Body, Frame, GoAway, Limits, Metadata, Name, RemoteError, TxId};
use serde::{Deserialize, Serialize};
use tokio_util::codec::{Decoder, Encoder};

fn body<C: Codec>(codec: &C, text: &str) -> Body {
    let mut out = BytesMut::new();
    codec.encode(text, &mut out).unwrap();
    out.freeze().into()
}

/// One frame of each kind and shape.
fn frames<C: Codec>(codec: &C) -> Vec<Frame> {
    let request = |id: TxId, text: &str| {
        Frame::request(id, Name::from_static("add"), body(codec, text), Metadata::new(), false, None)
    };
    let metadata: Metadata = [("tenant", "a\n\"b\""), ("", "ü")].into_iter().collect();
    let mut error = RemoteError::new("DivideError", "division by \"zero\"\n");
    error.code = Some("E_ZERO".into());
    error.stack = Some("calculator.rs:12".into());
    error.chain = vec!["because".into(), "of that".into()];
    error.data = Some(body(codec, "data").into_bytes());
    vec![
        request(7.into(), "hello\nworld"),
        request("ccfefb9f-f265-495b-8aa7-3d92b7553214".into(), "€ in three bytes"),
        request("any \"string\"\\".into(), &"x".repeat(70_000)),
        Frame::request(
            8.into(),
            "näme \"quoted\"".into(),
            Body::empty(),
            metadata.clone(),
            true,
            Some(Duration::from_micros(1500)),
        ),
        Frame::reply(7.into(), Name::default(), body(codec, "5"), metadata),
        Frame::Error { id: 7.into(), name: Name::default(), error: error.into() },
        Frame::Error { id: 9.into(), name: Name::default(), error: RemoteError::new("", "").into() },
        Frame::Cancel { id: 8.into() },
        Frame::Ping,
        Frame::Pong,
        Frame::Credit { bytes: 0 },
        Frame::Credit { bytes: u64::MAX },
        Frame::GoAway(GoAway::End),
        Frame::GoAway(GoAway::Drain),
        Frame::GoAway(GoAway::Linger(Duration::from_millis(1500))),
        Frame::GoAway(GoAway::PrepareDetach),
        Frame::GoAway(GoAway::Detach),
    ]
}

/// Text of a frame, to compare frames by. The metadata is sorted, as JSON does.
fn shape(frame: &Frame) -> String {
    let mut text = format!("{frame:?}");
    if let Some(metadata) = frame.metadata() {
        let mut pairs: Vec<_> = metadata.iter().collect();
        pairs.sort_unstable();
        text = text.replace(&format!("{metadata:?}"), &format!("{pairs:?}"));
    }
    text
}

fn encoded<F: Framing>(framing: &mut F, frames: &[Frame]) -> BytesMut {
    let mut wire = BytesMut::new();
    frames.iter().for_each(|frame| framing.encode(frame, &mut wire).unwrap());
    wire
}

fn assert_same(left: &[Frame], right: &[Frame]) {
    assert_eq!(left.iter().map(shape).collect::<Vec<_>>(), right.iter().map(shape).collect::<Vec<_>>());
}

fn every_frame_round_trips<C: Codec>(codec: C) {
    let sent = frames(&codec);
    let mut wire = encoded(&mut codec.framing(Limits::default()), &sent);
    let mut framing = codec.framing(Limits::default());
    let received: Vec<_> = std::iter::from_fn(|| framing.decode(&mut wire).unwrap()).collect();
    assert!(wire.is_empty());
    assert_same(&sent, &received);
}

fn frames_decode_from_single_bytes<C: Codec>(codec: C) {
    let sent = frames(&codec);
    let wire = encoded(&mut codec.framing(Limits::default()), &sent);
    let mut framing = codec.framing(Limits::default());
    let (mut buffer, mut received) = (BytesMut::new(), Vec::new());
    for byte in wire {
        buffer.extend_from_slice(&[byte]);
        received.extend(framing.decode(&mut buffer).unwrap());
    }
    assert_same(&sent, &received);
}

fn a_frame_of_an_unknown_kind_is_an_error<C: Codec>(codec: C) {
    // `Unmarked` is only ever received, so no framing encodes it.
    let (answer, request) = (Box::new(Frame::Ping), Box::new(Frame::Ping));
    let mut out = BytesMut::from("before");
    let result = codec.framing(Limits::default()).encode(&Frame::Unmarked { answer, request }, &mut out);
    assert!(matches!(result, Err(FrameError::UnknownKind)), "{result:?}");
    assert_eq!(out, "before");
}

fn a_head_and_a_body_are_the_whole_frame<C: Codec>(codec: C) {
    for frame in frames(&codec) {
        let mut framing = codec.framing(Limits::default());
        let (mut whole, mut parts) = (BytesMut::new(), BytesMut::new());
        framing.encode(&frame, &mut whole).unwrap();
        if framing.encode_head(&frame, &mut parts).unwrap() {
            parts.extend_from_slice(frame.body().unwrap().as_bytes());
        }
        assert_eq!(whole, parts);
    }
}

fn no_truncation_or_bit_flip_panics<C: Codec>(codec: C) {
    for frame in frames(&codec) {
        let wire = encoded(&mut codec.framing(Limits::default()), std::slice::from_ref(&frame));
        let wire = &wire[..wire.len().min(300)];
        for bit in 0..wire.len() * 8 {
            let mut broken = BytesMut::from(wire);
            broken[bit / 8] ^= 1 << (bit % 8);
            let _ = codec.framing(Limits::default()).decode(&mut broken);
            let mut short = BytesMut::from(&wire[..bit / 8]);
            let _ = codec.framing(Limits::default()).decode_eof(&mut short);
        }
    }
}

fn a_large_frame_is_refused_on_both_sides<C: Codec>(codec: C) {
    let frame = Frame::reply(1.into(), Name::default(), body(&codec, &"x".repeat(5000)), Metadata::new());
    let small = Limits::default().frame(4096);
    let mut out = BytesMut::from("before");
    let sent = codec.framing(small).encode(&frame, &mut out);
    assert!(matches!(sent, Err(FrameError::TooLarge { limit: 4096, .. })), "{sent:?}");
    assert_eq!(out, "before", "a refused frame leaves the buffer unchanged");

    let mut wire = encoded(&mut codec.framing(Limits::default()), &[frame]);
    let received = codec.framing(small).decode(&mut wire);
    assert!(matches!(received, Err(FrameError::TooLarge { limit: 4096, .. })), "{received:?}");
}

fn too_much_metadata_is_refused_on_both_sides<C: Codec>(codec: C) {
    let frame = |keys: usize| {
        Frame::request(
            1.into(),
            Name::from_static("add"),
            Body::empty(),
            (0..keys).map(|key| (key.to_string(), "")).collect(),
            false,
            None,
        )
    };
    let mut out = BytesMut::new();
    let mut framing = codec.framing(Limits::default());
    assert!(framing.encode(&frame(Metadata::MAX_KEYS + 1), &mut out).is_err());
    assert!(out.is_empty());
    framing.encode(&frame(Metadata::MAX_KEYS), &mut out).unwrap();
    assert!(framing.decode(&mut out).unwrap().is_some());
}

fn large_metadata_is_refused_on_both_sides<C: Codec>(codec: C) {
    let frame = |bytes: usize| {
        Frame::reply(
            1.into(),
            Name::default(),
            Body::empty(),
            [("key", "x".repeat(bytes - 3))].into_iter().collect(),
        )
    };
    let small = Limits::default().metadata(100);
    let mut out = BytesMut::new();
    let refused = |result: Result<(), FrameError>| match result {
        Err(error @ FrameError::TooLarge { bytes: 101, limit: 100, .. }) => {
            error.to_string().contains("`Limits::metadata`")
        }
        _ => false,
    };
    assert!(refused(codec.framing(small).encode(&frame(101), &mut out)));
    assert!(out.is_empty());
    codec.framing(small).encode(&frame(100), &mut out).unwrap();
    assert!(codec.framing(small).decode(&mut out).unwrap().is_some());

    let mut wire = encoded(&mut codec.framing(Limits::default()), &[frame(101)]);
    assert!(refused(codec.framing(small).decode(&mut wire).map(drop)));
}

fn a_long_text_decodes_from_reads_that_split_characters<C: Codec>(codec: C) {
    let text = "€".repeat((1 << 20) / 3);
    let frame = Frame::reply(1.into(), Name::default(), body(&codec, &text), Metadata::new());
    let mut wire = encoded(&mut codec.framing(Limits::default()), &[frame]);
    let mut framing = codec.framing(Limits::default());
    let (mut buffer, mut received) = (BytesMut::new(), Vec::new());
    for piece in (1..=7).cycle() {
        if wire.is_empty() {
            break;
        }
        buffer.extend_from_slice(&wire.split_to(piece.min(wire.len())));
        received.extend(framing.decode(&mut buffer).unwrap());
    }
    let [received] = &received[..] else { panic!("{} frames", received.len()) };
    assert!(codec.decode::<String>(received.body().unwrap().as_bytes()).unwrap() == text);
}

fn bytes_after_a_value_are_an_error<C: Codec>(codec: C) {
    let mut out = BytesMut::new();
    codec.encode(&(1u8, "two"), &mut out).unwrap();
    assert_eq!(codec.decode::<(u8, String)>(&out).unwrap(), (1, "two".into()));
    out.extend_from_slice(b"7");
    assert!(codec.decode::<(u8, String)>(&out).is_err());
}

macro_rules! suite {
    ($($name:ident: $codec:expr;)*) => {$(
        mod $name {
            use super::*;

            #[test]
            fn every_frame_round_trips() { super::every_frame_round_trips($codec) }
            #[test]
            fn frames_decode_from_single_bytes() { super::frames_decode_from_single_bytes($codec) }
            #[test]
            fn a_frame_of_an_unknown_kind_is_an_error() {
                super::a_frame_of_an_unknown_kind_is_an_error($codec)
            }
            #[test]
            fn a_head_and_a_body_are_the_whole_frame() { super::a_head_and_a_body_are_the_whole_frame($codec) }
            #[test]
            fn no_truncation_or_bit_flip_panics() { super::no_truncation_or_bit_flip_panics($codec) }
            #[test]
            fn a_large_frame_is_refused_on_both_sides() { super::a_large_frame_is_refused_on_both_sides($codec) }
            #[test]
            fn too_much_metadata_is_refused_on_both_sides() {
                super::too_much_metadata_is_refused_on_both_sides($codec)
            }
            #[test]
            fn large_metadata_is_refused_on_both_sides() {
                super::large_metadata_is_refused_on_both_sides($codec)
            }
            #[test]
            fn a_long_text_decodes_from_reads_that_split_characters() {
                super::a_long_text_decodes_from_reads_that_split_characters($codec)
            }
            #[test]
            fn bytes_after_a_value_are_an_error() { super::bytes_after_a_value_are_an_error($codec) }
        }
    )*};
}

suite! {
    json: Json;
    json_with_delimiter: NulJson;
    postcard: Postcard;
    cbor: Cbor;
    compressed_json: Compressed::new(Json);
    compressed_postcard: Compressed::new(Postcard).threshold(0);
    compressed_cbor: Compressed::new(Cbor);
    compressed_twice: Compressed::new(Compressed::new(NulJson).threshold(64));
}

/// JSON with a delimiter of several bytes, whose first byte ends every frame.
#[derive(Clone, Copy)]
struct NulJson;

impl Codec for NulJson {
    const ID: &'static str = "json-nul";
    type Framing = JsonLines;

    fn encode<T: Serialize + ?Sized>(&self, value: &T, out: &mut BytesMut) -> Result<(), CodecError> {
        Json.encode(value, out)
    }

    fn decode<'de, T: Deserialize<'de>>(&self, bytes: &'de [u8]) -> Result<T, CodecError> {
        Json.decode(bytes)
    }

    fn framing(&self, limits: Limits) -> JsonLines {
        JsonLines::with_delimiter(limits, Delimiter::new(b"}\0}}").unwrap())
    }
}

#[test]
fn a_false_length_reserves_no_memory() {
    let mut wire = BytesMut::from(&(8u32 << 20).to_be_bytes()[..]);
    assert!(Postcard.framing(Limits::default()).decode(&mut wire).unwrap().is_none());
    assert!(wire.capacity() <= 128 << 10, "{} bytes reserved", wire.capacity());
}

#[test]
fn a_body_that_contains_the_delimiter_is_refused() {
    let frame = |body: &'static [u8]| {
        Frame::reply(1.into(), Name::default(), Bytes::from_static(body).into(), Metadata::new())
    };
    let mut out = BytesMut::new();
    let error = NulJson.framing(Limits::default()).encode(&frame(b"[{}\0}}]"), &mut out).unwrap_err();
    assert!(error.to_string().contains("delimiter"), "{error}");
    assert!(out.is_empty());
    NulJson.framing(Limits::default()).encode(&frame(b"[{\"a\":{}}]"), &mut out).unwrap();
}

#[test]
fn causes_over_the_limit_are_not_sent() {
    let mut error = RemoteError::new("", "");
    error.chain = vec![String::new(); 1000];
    let sent = Frame::Error { id: 1.into(), name: Name::default(), error: error.into() };
    let mut wire = encoded(&mut Postcard.framing(Limits::default()), &[sent]);
    let received = Postcard.framing(Limits::default()).decode(&mut wire).unwrap().unwrap();
    let Frame::Error { error, .. } = received else { panic!("{received:?}") };
    assert_eq!(error.chain.len(), 256);
}
