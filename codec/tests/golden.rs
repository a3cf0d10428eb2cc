//! Golden frames of docs/wire.md: each is encoded to the same bytes and decoded again.

#[path = "golden/page.rs"]
mod page;

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::BytesMut;
use isolated_workers_codec::{Codec, Compressed, Json, Postcard};
use isolated_workers_core::{
    Attachments, Body, Frame, GoAway, Limits, Metadata, RemoteError, Role, Streams, TxId,
};
use serde::Serialize;
use tokio_util::codec::{Decoder, Encoder};

#[derive(Serialize)]
struct Add {
    a: i64,
    b: i64,
}

#[derive(Serialize)]
struct Read {
    /// Index of a descriptor.
    file: u8,
}

#[derive(Serialize)]
struct DivideError {
    dividend: i64,
}

const ID: &str = "ccfefb9f-f265-495b-8aa7-3d92b7553214";

/// Frames that the page shows in JSON and binary, by their names on the page.
fn frames<C: Codec>(codec: &C) -> Vec<(&'static str, Frame)> {
    fn body<C: Codec>(codec: &C, value: impl Serialize) -> Body {
        let mut out = BytesMut::new();
        codec.encode(&value, &mut out).unwrap();
        out.freeze().into()
    }
    let request = |id: TxId, name: &str, body, oneway| {
        Frame::request(id, name.into(), body, Metadata::new(), oneway, None)
    };
    let reply = |body, metadata| Frame::reply(ID.into(), "add".into(), body, metadata);
    let error =
        |error: RemoteError| Frame::Error { id: 7.into(), name: "divide".into(), error: error.into() };
    let add = || body(codec, Add { a: 5, b: 3 });
    let metadata = || [("tenant", "blue"), ("trace", "00-4bf9")].into_iter().collect::<Metadata>();

    let mut whole = RemoteError::new("DivideError", "division by zero");
    whole.code = Some("E_ZERO".into());
    whole.stack = Some("divide.js:12".into());
    whole.chain = vec!["the divisor was never set".into()];
    whole.data = Some(body(codec, DivideError { dividend: 9 }).into_bytes());
    let with_items = |name: &str, body, from_caller| {
        let mut frame = request(7.into(), name, body, false);
        frame.set_streams(Streams { from_caller, from_callee: true });
        frame
    };
    let with_descriptors = |name: &str, mut body: Body, count| {
        body.attach(Attachments::Named(count));
        request(7.into(), name, body, false)
    };
    let item = |from, text: &str| Frame::Item { id: 7.into(), from, body: body(codec, text).into() };
    let item_credit = |from| Frame::ItemCredit { id: 7.into(), from, bytes: 128 << 10 };
    vec![
        ("request", request(ID.into(), "add", add(), false)),
        ("request-number", request(7.into(), "add", add(), false)),
        ("request-text", request("job/007".into(), "add", add(), false)),
        ("request-empty", request(7.into(), "ping", Body::empty(), false)),
        ("request-answer-name", request(7.into(), "getResult", Body::empty(), false)),
        (
            "request-whole",
            Frame::request(
                300.into(),
                "add".into(),
                add(),
                metadata(),
                false,
                Some(Duration::from_millis(1500)),
            ),
        ),
        ("request-items", with_items("search", body(codec, "ipc"), false)),
        ("request-descriptors", with_descriptors("read", body(codec, Read { file: 0 }), 1)),
        ("request-items-both", with_items("translate", Body::empty(), true)),
        ("oneway", request(7.into(), "log", body(codec, "hi"), true)),
        ("reply", reply(body(codec, 8i64), Metadata::new())),
        ("reply-empty", reply(Body::empty(), Metadata::new())),
        ("reply-metadata", reply(body(codec, 8i64), metadata())),
        ("error", error(RemoteError::new("DivideError", "division by zero"))),
        ("error-whole", error(whole)),
        ("item", item(Role::Callee, "a hit")),
        ("item-caller", item(Role::Caller, "a line")),
        ("items-end", Frame::ItemsEnd { id: 7.into() }),
        ("item-credit-caller", item_credit(Role::Caller)),
        ("item-credit", item_credit(Role::Callee)),
        ("cancel", Frame::Cancel { id: 7.into() }),
        ("ping", Frame::Ping),
        ("pong", Frame::Pong),
        ("credit", Frame::Credit { bytes: 8 << 20 }),
        ("go-away", Frame::GoAway(GoAway::End)),
        ("go-away-linger", Frame::GoAway(GoAway::Linger(Duration::from_secs(60)))),
        ("go-away-drain", Frame::GoAway(GoAway::Drain)),
        ("go-away-prepare-detach", Frame::GoAway(GoAway::PrepareDetach)),
        ("go-away-detach", Frame::GoAway(GoAway::Detach)),
    ]
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x} ")).collect()
}

/// Removes the name of a message, which binary answers do not have.
fn without_name(frame: Frame) -> Frame {
    match frame {
        Frame::Reply { id, response, .. } => Frame::Reply { id, name: "".into(), response },
        Frame::Error { id, error, .. } => Frame::Error { id, name: "".into(), error },
        other => other,
    }
}

fn decoded<C: Codec>(codec: &C, wire: &[u8]) -> Frame {
    let mut wire = BytesMut::from(wire);
    let frame = codec.framing(Limits::default()).decode(&mut wire).unwrap().unwrap();
    assert!(wire.is_empty(), "bytes are left after {frame:?}");
    frame
}

fn check<C: Codec>(codec: &C, page: BTreeMap<String, Vec<u8>>, received: impl Fn(Frame) -> Frame) {
    let mut page = page;
    for (name, frame) in frames(codec) {
        let Some(golden) = page.remove(name) else { panic!("docs/wire.md has no {name} of {}", C::ID) };
        let mut wire = BytesMut::new();
        codec.framing(Limits::default()).encode(&frame, &mut wire).unwrap();
        let text = |bytes: &[u8]| format!("{}\n{}", String::from_utf8_lossy(bytes), hex(bytes));
        assert_eq!(text(&wire), text(&golden), "{name} of {}", C::ID);
        assert_eq!(format!("{:?}", decoded(codec, &golden)), format!("{:?}", received(frame)), "{name}");
    }
    assert!(page.is_empty(), "frames on the page that are not sent: {:?} of {}", page.keys(), C::ID);
}

#[test]
fn json_frames_match_the_page() {
    let [page, _] = page::frames();
    check(&Json, page, |frame| frame);
}

#[test]
fn binary_frames_match_the_page() {
    let [_, page] = page::frames();
    check(&Postcard, page, without_name);
}

fn check_compressed<C: Codec>(codec: C, received: impl Fn(Frame) -> Frame) {
    let mut body = BytesMut::new();
    codec.encode(&"x".repeat(1200), &mut body).unwrap();
    let name = "log".into();
    let (metadata, body) = (Metadata::new(), body.freeze().into());
    let long = Frame::request(7.into(), name, body, metadata, true, None);
    let (_, short) = frames(&codec).into_iter().find(|(name, _)| *name == "reply").unwrap();

    let kind = format!("compressed-{}", C::ID);
    let mut page = page::binary(&kind);
    let codec = Compressed::new(codec);
    for (name, frame, flag) in [("reply", short, 0), ("long", long, 1)] {
        let golden = page.remove(name).unwrap_or_else(|| panic!("docs/wire.md has no {kind}:{name}"));
        let mut wire = BytesMut::new();
        codec.framing(Limits::default()).encode(&frame, &mut wire).unwrap();
        assert_eq!((wire[4], golden[4]), (flag, flag), "{kind}:{name}");
        // Compressed bytes depend on the version of zlib.
        if flag == 0 {
            assert_eq!(hex(&wire), hex(&golden), "{kind}:{name}");
        }
        let frame = format!("{:?}", received(frame));
        for wire in [&golden, &wire[..]] {
            assert_eq!(format!("{:?}", decoded(&codec, wire)), frame, "{kind}:{name}, from {}", hex(wire));
        }
    }
    assert!(page.is_empty(), "frames on the page that are not sent: {:?} of {kind}", page.keys());
}

#[test]
fn compressed_frames_match_the_page() {
    check_compressed(Json, |frame| frame);
    check_compressed(Postcard, without_name);
}

/// These are only received: this side always sends a kind with answers.
#[test]
fn frames_of_a_peer_without_kinds_are_decoded() {
    let decode = |text: &str| match decoded(&Json, text.as_bytes()) {
        Frame::Unmarked { answer, .. } => *answer,
        frame => frame,
    };
    let page = page::blocks("json", "three-keys");
    let by_kind: BTreeMap<_, _> = frames(&Json).into_iter().collect();
    assert_eq!(page.keys().collect::<Vec<_>>(), ["error", "reply", "reply-empty", "request"]);
    for (name, text) in page {
        assert_eq!(format!("{:?}", decode(&text)), format!("{:?}", by_kind[name.as_str()]), "{name}");
    }
}
