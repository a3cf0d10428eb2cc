//! Frames as lines of JSON, from minimal and hostile peers.

use bytes::{Bytes, BytesMut};
use isolated_workers_codec::{Codec, Json};
use isolated_workers_core::{Body, Frame, Limits, Metadata, Name, RemoteError};
use tokio_util::codec::{Decoder, Encoder};

fn decoded(line: &str) -> Frame {
    let mut wire = BytesMut::from(format!("{line}\n").as_str());
    Json.framing(Limits::default()).decode(&mut wire).unwrap().unwrap()
}

fn encoded(frames: &[Frame]) -> BytesMut {
    let (mut framing, mut wire) = (Json.framing(Limits::default()), BytesMut::new());
    frames.iter().for_each(|frame| framing.encode(frame, &mut wire).unwrap());
    wire
}

#[test]
fn a_request_of_a_peer_with_three_keys_is_decoded() {
    let line = r#"{"type":"add","payload":{"a":5,"b":3},"tx":"some-id","unknown":[1]}"#;
    let mut wire = BytesMut::from(format!("\n  \n{line}\n").as_str());
    let frame = Json.framing(Limits::default()).decode(&mut wire).unwrap().unwrap();
    let Frame::Request { id, request } = frame else { panic!("{frame:?}") };
    assert_eq!((id.to_string().as_str(), request.name(), request.is_oneway()), ("some-id", "add", false));
    assert_eq!(request.body().as_bytes(), br#"{"a":5,"b":3}"#);
}

#[test]
fn replies_have_the_three_keys_of_such_a_peer() {
    let reply = |body: &'static [u8]| {
        Frame::reply(1.into(), Name::from_static("add"), Bytes::from_static(body).into(), Metadata::new())
    };
    let wire = encoded(&[reply(b"8"), reply(b"null")]);
    let expected = concat!(
        "{\"tx\":\"1\",\"type\":\"addResult\",\"kind\":\"reply\",\"payload\":8}\n",
        "{\"tx\":\"1\",\"type\":\"addResult\",\"kind\":\"reply\"}\n",
    );
    assert_eq!(wire, expected);
}

#[test]
fn a_line_break_in_a_json_body_cannot_split_the_frame() {
    let frame =
        Frame::reply(1.into(), Name::default(), Bytes::from_static(b"[1,\n2]").into(), Metadata::new());
    let mut out = BytesMut::new();
    let error = Json.framing(Limits::default()).encode(&frame, &mut out).unwrap_err();
    assert!(error.to_string().contains("delimiter"), "{error}");
    assert!(out.is_empty());
}

#[test]
fn a_payload_is_found_at_any_position_with_any_content() {
    for payload in [
        "true",
        "-1.5e+3",
        r#""""#,
        r#""\\""#,
        r#""a \"quoted\" brace: {""#,
        "{}",
        "[ ]",
        r#"{ "a" : [ { } , "]" , "\\" ] , "tx" : "8" }"#,
        &format!(r#"["{}"]"#, r"\\".repeat(100)),
        &format!(r#"["{}"]"#, r#"\""#.repeat(100)),
        &format!("{}{}", "[".repeat(1000), "]".repeat(1000)),
    ] {
        for line in [
            format!(r#"{{"type":"add","payload":{payload},"tx":"7"}}"#),
            format!(r#"{{"payload":{payload},"tx":"7","type":"add"}}"#),
            format!(
                "{{ \"tx\" :\t\"7\" , \"unknown\" : {payload} ,\"type\": \"add\",\"payload\" :{payload} }} \r"
            ),
            format!(r#"{{"\u0074ype":"\u0061dd","t\u0078":"7","payload":{payload}}}"#),
        ] {
            let frame = decoded(&line);
            let Frame::Request { id, request } = frame else { panic!("{frame:?}") };
            assert_eq!((id, request.name()), (7.into(), "add"));
            assert_eq!(request.body().as_bytes(), payload.as_bytes(), "{line}");
        }
    }
}

#[test]
fn lines_that_are_not_frames_are_refused() {
    let refused = |line: &str| {
        let mut wire = BytesMut::from(format!("{line}\n").as_str());
        Json.framing(Limits::default()).decode(&mut wire).expect_err(line).to_string()
    };
    for line in [
        "7",
        "{",
        "{}}",
        "{} 7",
        r#"[{"type":"add","tx":"7"}]"#,
        r#"{"type":"add","tx":"7""#,
        r#"{"type":"add","tx":"7",}"#,
        r#"{,"type":"add","tx":"7"}"#,
        r#"{"type":"add" "tx":"7"}"#,
        r#"{"type":"add","tx"}"#,
        r#"{"type":"add","tx":}"#,
        r#"{"type":"add","tx":"7","payload":[1}"#,
        r#"{"type":"add","tx":"7","payload":1 2}"#,
        r#"{"type":"add","tx":"7","payload":"#,
        r#"{"type":"add","tx":"7","payload":"a}"#,
        "{\"type\":\"add\",\"tx\":\"7\u{7}\"}",
        r#"{type:"add","tx":"7"}"#,
        r#"{"type":"add","tx":"7","unknown":nothing}"#,
        r#"{"type":"add","tx":"\q"}"#,
    ] {
        refused(line);
    }
    assert!(refused(r#"{"type":"add","tx":"7","tx":"8"}"#).contains("`tx` twice"));
    assert!(refused(r#"{"type":"add","tx":7}"#).contains("its `tx`: invalid type: integer `7`"));
    assert!(refused(r#"{"type":"add"}"#).contains("it has no `tx`"));
    assert!(refused(r#"{"tx":"7"}"#).contains("it has no `type`"));
    assert!(refused(r#"{"kind":"shout","tx":"7"}"#).contains("it has the unknown kind `shout`"));
    assert!(refused("hello").contains("expected `{` at byte 0, found `h`"));
    assert!(
        refused(r#"{"type":"add","tx":"7"#)
            .contains("expected the rest of a string, found the end of the line")
    );
    assert!(refused(r#"{"type":"add";"tx":"7"}"#).contains("expected `,` at byte 13, found `;`"));
}

#[test]
fn an_invalid_payload_fails_when_it_is_decoded() {
    let body = |payload: &str| {
        decoded(&format!(r#"{{"type":"add","payload":{payload},"tx":"7"}}"#)).body().unwrap().clone()
    };
    for payload in ["nothing", "{]", r#"{"a" 1}"#, "[1,,2]", r#""\q""#, "7:8"] {
        let body = body(payload);
        assert_eq!(body.as_bytes(), payload.as_bytes());
        assert!(Json.decode::<serde::de::IgnoredAny>(body.as_bytes()).is_err(), "{payload}");
    }
}

#[test]
fn an_answer_without_a_kind_is_unmarked() {
    let reply = decoded(r#"{"tx":"7","type":"addResult","payload":{"sum":8}}"#);
    let Frame::Unmarked { answer, request } = reply else { panic!("{reply:?}") };
    let Frame::Reply { id, name, response } = *answer else { panic!("{answer:?}") };
    assert_eq!((id, name.as_str(), response.body().as_bytes()), (7.into(), "add", &br#"{"sum":8}"#[..]));
    let Frame::Request { id, request } = *request else { panic!("{request:?}") };
    assert_eq!(
        (id, request.name(), request.body().as_bytes()),
        (7.into(), "addResult", &br#"{"sum":8}"#[..])
    );

    let nothing = decoded(r#"{"tx":"7","type":"logResult"}"#);
    let Frame::Unmarked { answer, .. } = nothing else { panic!("{nothing:?}") };
    assert!(answer.body().unwrap().is_empty());
}

#[test]
fn any_thrown_value_becomes_an_error() {
    let thrown = |payload: &str| {
        let frame = decoded(&format!(r#"{{"tx":"7","type":"boomError"{payload}}}"#));
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
    assert_eq!(thrown(""), RemoteError::new("", "the peer gave no reason"));
}

#[test]
fn a_request_with_the_name_of_an_answer_has_a_kind() {
    for name in ["getResult", "fooError"] {
        let frame = Frame::request(7.into(), name.into(), Body::empty(), Metadata::new(), false, None);
        let mut wire = encoded(std::slice::from_ref(&frame));
        assert_eq!(wire, format!("{{\"type\":\"{name}\",\"tx\":\"7\",\"kind\":\"request\"}}\n").as_str());
        let back = Json.framing(Limits::default()).decode(&mut wire).unwrap().unwrap();
        assert_eq!(format!("{back:?}"), format!("{frame:?}"));
    }
}

#[test]
fn ids_round_trip_character_by_character() {
    for tx in [
        "007",
        "C0FFEE",
        "CCFEFB9F-F265-495B-8AA7-3D92B7553214",
        "",
        " ",
        "\\u0000é😀\\\"\\\\",
        "18446744073709551616",
    ] {
        let frame = decoded(&format!(r#"{{"type":"add","tx":"{tx}"}}"#));
        let reply = Frame::reply(frame.id().unwrap().clone(), "add".into(), Body::empty(), Metadata::new());
        let mut wire = encoded(&[reply]);
        let back = Json.framing(Limits::default()).decode(&mut wire).unwrap().unwrap();
        assert_eq!(back.id(), frame.id());
        let text: String = serde_json::from_str(&format!("\"{tx}\"")).unwrap();
        assert_eq!(frame.id().unwrap().to_string(), text);
    }
}
