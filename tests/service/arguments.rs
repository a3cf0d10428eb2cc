//! Messages are encoded as serde's derives encode a struct with the same fields.

use std::fmt::Debug;

use bytes::Bytes;
use isolated_workers::codec::{
    Cbor, Codec, Json, Postcard, byte_vec, decode_body, encode_body, zero_copy_bytes,
};
use isolated_workers::protocol::Body;
use isolated_workers::service;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

#[service(derive(Clone, Debug, PartialEq))]
#[allow(clippy::too_many_arguments)]
trait Orders {
    async fn reset(&self);
    async fn add(&self, r#type: String, größe: u32);
    async fn find(&self, name: Option<String>, limit: Option<u8>);
    async fn upload(&self, bytes: Vec<u8>, shared: Bytes, tags: Vec<String>);
    async fn nine(
        &self,
        a: u8,
        b: i16,
        c: char,
        d: bool,
        e: (),
        f: f64,
        g: String,
        h: [u8; 2],
        i: Option<u8>,
    );
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Reset;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Add {
    r#type: String,
    größe: u32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Find {
    name: Option<String>,
    limit: Option<u8>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Upload {
    #[serde(with = "byte_vec")]
    bytes: Vec<u8>,
    #[serde(with = "zero_copy_bytes")]
    shared: Bytes,
    tags: Vec<String>,
}

/// Checks that the message and the derived struct have the same encoding with each codec.
fn same<M, D>(message: &M, derived: &D)
where
    M: Debug + PartialEq + Serialize + DeserializeOwned,
    D: Debug + PartialEq + Serialize + DeserializeOwned,
{
    same_with(&Json, message, derived);
    same_with(&Cbor, message, derived);
    same_with(&Postcard, message, derived);
}

fn same_with<C: Codec, M, D>(codec: &C, message: &M, derived: &D)
where
    M: Debug + PartialEq + Serialize + DeserializeOwned,
    D: Debug + PartialEq + Serialize + DeserializeOwned,
{
    let (body, expected) = (encode_body(codec, message).unwrap(), encode_body(codec, derived).unwrap());
    assert_eq!(body.clone().into_bytes(), expected.into_bytes(), "{}", C::ID);
    assert_eq!(decode_body::<_, M>(codec, &body).unwrap(), *message, "{}", C::ID);
    assert_eq!(decode_body::<_, D>(codec, &body).unwrap(), *derived, "{}", C::ID);
}

#[test]
fn messages_are_encoded_like_derived_structs() {
    same(&orders::Reset, &Reset);
    let (kind, größe) = ("a".to_owned(), 7);
    same(&orders::Add { r#type: kind.clone(), größe }, &Add { r#type: kind, größe });
    for (name, limit) in [(None, Some(3)), (Some("b".to_owned()), None)] {
        same(&orders::Find { name: name.clone(), limit }, &Find { name, limit });
    }
    let (bytes, shared, tags) = (vec![1, 2, 255], Bytes::from_static(b"shared"), vec!["c".to_owned()]);
    same(
        &orders::Upload { bytes: bytes.clone(), shared: shared.clone(), tags: tags.clone() },
        &Upload { bytes, shared, tags },
    );
}

/// Checks that both types decode `json` to the same value, or refuse it for the same reason.
fn decoded_alike<M: Debug + DeserializeOwned, D: Debug + DeserializeOwned>(json: &[u8]) {
    let body = Body::from(json.to_vec());
    let text = String::from_utf8_lossy(json);
    match (decode_body::<_, M>(&Json, &body), decode_body::<_, D>(&Json, &body)) {
        (Ok(message), Ok(derived)) => assert_eq!(format!("{message:?}"), format!("{derived:?}"), "{text}"),
        (Err(message), Err(derived)) => assert_eq!(message.to_string(), derived.to_string(), "{text}"),
        (message, derived) => panic!("{text}: {message:?} and {derived:?}"),
    }
}

#[test]
fn messages_accept_and_refuse_what_derived_structs_do() {
    let cases: [&[u8]; 22] = [
        b"",
        b"null",
        b"{}",
        b" { } ",
        b"[]",
        b"0",
        b"\"a\"",
        br#"{"type":"a"}"#,
        r#"{"größe":1,"type":"a"}"#.as_bytes(),
        r#"{"type":"a","größe":1,"more":{"type":[1]}}"#.as_bytes(),
        b"{\"more\":\"\xff\",\"type\":\"a\",\"gr\xc3\xb6\xc3\x9fe\":1}",
        b"{\"type\":\"\xff\",\"gr\xc3\xb6\xc3\x9fe\":1}",
        r#"{"type":"a","type":"b","größe":1}"#.as_bytes(),
        r#"{"type":"a","größe":"b"}"#.as_bytes(),
        r#"{"type":"a","größe":1} x"#.as_bytes(),
        br#"["a",1]"#,
        br#"["a"]"#,
        br#"["a",1,2]"#,
        br#"{"limit":3}"#,
        br#"{"name":null,"limit":null}"#,
        br#"{"limit":300}"#,
        br#"{"gr"#,
    ];
    for json in cases {
        decoded_alike::<orders::Reset, Reset>(json);
        decoded_alike::<orders::Add, Add>(json);
        decoded_alike::<orders::Find, Find>(json);
        decoded_alike::<orders::Upload, Upload>(json);
    }
}

#[test]
fn many_arguments_arrive() {
    let message =
        orders::Nine { a: 1, b: -2, c: 'c', d: true, e: (), f: 0.5, g: "g".into(), h: [8, 9], i: None };
    same(&message, &message.clone());
}
