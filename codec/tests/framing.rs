//! What every framing owes, held against each of them.

use std::fmt::Debug;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use isolated_workers_codec::{
    Cbor, Codec, CodecError, Compressed, Delimiter, FrameError, Framing, Json, JsonLines, Postcard,
};
use isolated_workers_core::{Body, Frame, Limits, Metadata, Name, RemoteError, TxId};
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
        Frame::Goodbye { stay: None },
        Frame::Goodbye { stay: Some(Duration::from_millis(1500)) },
    ]
}

/// Frames have no equality, because nobody but a test needs it. Metadata of a text codec comes sorted.
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

fn every_frame_comes_back<C: Codec>(codec: C) {
    let sent = frames(&codec);
    let mut wire = encoded(&mut codec.framing(Limits::default()), &sent);
    let mut framing = codec.framing(Limits::default());
    let received: Vec<_> = std::iter::from_fn(|| framing.decode(&mut wire).unwrap()).collect();
    assert!(wire.is_empty());
    assert_same(&sent, &received);
}

fn bytes_may_come_one_by_one<C: Codec>(codec: C) {
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

fn a_head_and_a_body_make_a_frame<C: Codec>(codec: C) {
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
    assert_eq!(out, "before", "nothing of a refused frame is left behind");

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

fn a_long_text_comes_in_pieces_that_split_its_characters<C: Codec>(codec: C) {
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

fn a_value_has_no_bytes_behind_it<C: Codec>(codec: C) {
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
            fn every_frame_comes_back() { super::every_frame_comes_back($codec) }
            #[test]
            fn bytes_may_come_one_by_one() { super::bytes_may_come_one_by_one($codec) }
            #[test]
            fn a_head_and_a_body_make_a_frame() { super::a_head_and_a_body_make_a_frame($codec) }
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
            fn a_long_text_comes_in_pieces_that_split_its_characters() {
                super::a_long_text_comes_in_pieces_that_split_its_characters($codec)
            }
            #[test]
            fn a_value_has_no_bytes_behind_it() { super::a_value_has_no_bytes_behind_it($codec) }
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

/// JSON with a delimiter of several bytes, which begins as frames end.
#[derive(Clone, Copy)]
struct NulJson;

impl Codec for NulJson {
    const NAME: &'static str = "json-nul";
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
fn a_length_that_lies_takes_no_memory() {
    let mut wire = BytesMut::from(&(8u32 << 20).to_be_bytes()[..]);
    assert!(Postcard.framing(Limits::default()).decode(&mut wire).unwrap().is_none());
    assert!(wire.capacity() <= 128 << 10, "{} bytes reserved", wire.capacity());
}

#[test]
fn json_reads_a_peer_that_knows_three_keys() {
    let line = r#"{"type":"add","payload":{"a":5,"b":3},"tx":"some-id","unknown":[1]}"#;
    let mut wire = BytesMut::from(format!("\n  \n{line}\n").as_str());
    let frame = Json.framing(Limits::default()).decode(&mut wire).unwrap().unwrap();
    let Frame::Request { id, request } = frame else { panic!("{frame:?}") };
    assert_eq!((id.to_string().as_str(), request.name(), request.is_oneway()), ("some-id", "add", false));
    assert_eq!(request.body().as_bytes(), br#"{"a":5,"b":3}"#);
}

#[test]
fn json_writes_what_such_a_peer_reads() {
    let reply = |body: &'static [u8]| {
        Frame::reply(1.into(), Name::from_static("add"), Bytes::from_static(body).into(), Metadata::new())
    };
    let wire = encoded(&mut Json.framing(Limits::default()), &[reply(b"8"), reply(b"null")]);
    let expected = concat!(
        "{\"tx\":\"1\",\"type\":\"addResult\",\"kind\":\"reply\",\"payload\":8}\n",
        "{\"tx\":\"1\",\"type\":\"addResult\",\"kind\":\"reply\"}\n",
    );
    assert_eq!(wire, expected);
}

#[test]
fn a_line_break_in_a_json_body_cannot_split_the_frame() {
    fn refused(error: impl Debug) -> bool {
        format!("{error:?}").contains("line break")
    }
    let frame =
        Frame::reply(1.into(), Name::default(), Bytes::from_static(b"[1,\n2]").into(), Metadata::new());
    assert!(refused(Json.framing(Limits::default()).encode(&frame, &mut BytesMut::new())));
}

fn json_decoded(line: &str) -> Frame {
    let mut wire = BytesMut::from(format!("{line}\n").as_str());
    Json.framing(Limits::default()).decode(&mut wire).unwrap().unwrap()
}

#[test]
fn json_reads_the_answers_of_a_peer_that_tells_no_kinds() {
    let reply = json_decoded(r#"{"tx":"7","type":"addResult","payload":{"sum":8}}"#);
    let Frame::Unmarked { answer, request } = reply else { panic!("{reply:?}") };
    let Frame::Reply { id, name, response } = *answer else { panic!("{answer:?}") };
    assert_eq!((id, name.as_str(), response.body().as_bytes()), (7.into(), "add", &br#"{"sum":8}"#[..]));
    let Frame::Request { id, request } = *request else { panic!("{request:?}") };
    assert_eq!(
        (id, request.name(), request.body().as_bytes()),
        (7.into(), "addResult", &br#"{"sum":8}"#[..])
    );

    let nothing = json_decoded(r#"{"tx":"7","type":"logResult"}"#);
    let Frame::Unmarked { answer, .. } = nothing else { panic!("{nothing:?}") };
    assert!(answer.body().unwrap().is_empty());
}

#[test]
fn json_makes_an_error_of_whatever_was_thrown() {
    let thrown = |payload: &str| {
        let frame = json_decoded(&format!(r#"{{"tx":"7","type":"boomError"{payload}}}"#));
        let Frame::Unmarked { answer, .. } = frame else { panic!("{frame:?}") };
        let Frame::Error { name, error, .. } = *answer else { panic!("{answer:?}") };
        assert_eq!(name.as_str(), "boom");
        *error
    };
    let mut whole = RemoteError::new("MyErr", "why");
    whole.stack = Some("a.js:1".into());
    whole.code = Some("E_MY".into());
    let payload = r#","payload":{"message":"why","name":"MyErr","stack":"a.js:1","code":"E_MY","extra":{}}"#;
    assert_eq!(thrown(payload), whole);

    assert_eq!(thrown(r#","payload":{"message":"why"}"#), RemoteError::new("", "why"));
    let mut coded = RemoteError::new("", "");
    coded.code = Some("7".into());
    assert_eq!(thrown(r#","payload":{"code":7,"message":null,"name":null,"stack":null}"#), coded);
    assert_eq!(thrown(r#","payload":"only a \"text\"""#), RemoteError::new("", "only a \"text\""));
    assert_eq!(thrown(r#","payload":[1,{}]"#), RemoteError::new("", "[1,{}]"));
    assert_eq!(thrown(""), RemoteError::new("", "the other side gave no reason"));
}

#[test]
fn json_tells_a_message_with_the_name_of_an_answer_from_one() {
    for name in ["getResult", "fooError"] {
        let frame = Frame::request(7.into(), name.into(), Body::empty(), Metadata::new(), false, None);
        let mut wire = encoded(&mut Json.framing(Limits::default()), std::slice::from_ref(&frame));
        assert_eq!(wire, format!("{{\"type\":\"{name}\",\"tx\":\"7\",\"kind\":\"request\"}}\n").as_str());
        let back = Json.framing(Limits::default()).decode(&mut wire).unwrap().unwrap();
        assert_same(&[frame], &[back]);
    }
}

#[test]
fn json_gives_any_id_back_letter_for_letter() {
    for tx in [
        "007",
        "C0FFEE",
        "CCFEFB9F-F265-495B-8AA7-3D92B7553214",
        "",
        " ",
        "\\u0000é😀\\\"\\\\",
        "18446744073709551616",
    ] {
        let frame = json_decoded(&format!(r#"{{"type":"add","tx":"{tx}"}}"#));
        let reply = Frame::reply(frame.id().unwrap().clone(), "add".into(), Body::empty(), Metadata::new());
        let mut wire = encoded(&mut Json.framing(Limits::default()), &[reply]);
        let back = Json.framing(Limits::default()).decode(&mut wire).unwrap().unwrap();
        assert_eq!(back.id(), frame.id());
        let text: String = serde_json::from_str(&format!("\"{tx}\"")).unwrap();
        assert_eq!(frame.id().unwrap().to_string(), text);
    }
}

#[test]
fn a_body_that_holds_the_delimiter_is_refused() {
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
fn an_error_has_no_more_causes_than_are_taken() {
    let mut error = RemoteError::new("", "");
    error.chain = vec![String::new(); 1000];
    let sent = Frame::Error { id: 1.into(), name: Name::default(), error: error.into() };
    let mut wire = encoded(&mut Postcard.framing(Limits::default()), &[sent]);
    let received = Postcard.framing(Limits::default()).decode(&mut wire).unwrap().unwrap();
    let Frame::Error { error, .. } = received else { panic!("{received:?}") };
    assert_eq!(error.chain.len(), 256);
}
