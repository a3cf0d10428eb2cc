//! Arbitrary bytes as values of each codec, within the default budget.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;

use bytes::BytesMut;
use isolated_workers::codec::{Cbor, Codec, Fd, Json, Postcard, decode_body, decode_within};
use isolated_workers::protocol::{Attachment, Attachments, Body, Budget};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// A value with every type of the serde data model.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct All {
    pub number: i64,
    pub wide: u128,
    pub float: f64,
    pub sign: char,
    pub text: String,
    #[serde(with = "serde_bytes")]
    pub bytes: Vec<u8>,
    pub option: Option<Box<All>>,
    pub tuple: (bool, [u16; 3]),
    pub list: Vec<Shape>,
    pub map: BTreeMap<String, Vec<Shape>>,
    pub table: HashMap<u8, Option<()>>,
}

#[derive(Debug, Serialize, Deserialize)]
pub enum Shape {
    Empty,
    Circle(u32),
    Line(f32, f32),
    Named { name: String, inner: Option<Box<Shape>> },
    Wrapped(Box<Shape>),
    Many(Vec<Shape>),
}

/// A type of unlimited depth. In a self-describing format, the input decides how deep a value is.
#[derive(Debug, Serialize, Deserialize)]
pub struct Endless(pub Option<Box<Endless>>);

#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Either {
    Number(i64),
    Text(String),
    Many(Vec<Either>),
    Map(BTreeMap<String, Either>),
}

/// Checks a value. The first byte selects codec and type.
pub fn check(data: &[u8]) {
    let Some((choice, bytes)) = data.split_first() else { return };
    match choice % 3 {
        0 => check_type(&Json, choice / 3, bytes),
        1 => check_type(&Postcard, choice / 3, bytes),
        _ => check_type(&Cbor, choice / 3, bytes),
    }
}

/// Number of types.
pub const TYPES: u8 = 10;

fn check_type<C: Codec>(codec: &C, choice: u8, bytes: &[u8]) {
    match choice % TYPES {
        0 => check_value::<C, All>(codec, bytes),
        1 => check_value::<C, Vec<Shape>>(codec, bytes),
        2 => check_value::<C, Endless>(codec, bytes),
        3 => check_value::<C, Vec<()>>(codec, bytes),
        4 => check_value::<C, Either>(codec, bytes),
        5 => check_value::<C, serde_json::Value>(codec, bytes),
        6 => check_value::<C, BTreeMap<String, Vec<Option<String>>>>(codec, bytes),
        7 => check_value::<C, serde_bytes::ByteBuf>(codec, bytes),
        8 => check_value::<C, (f64, char, Vec<Option<u8>>)>(codec, bytes),
        _ => check_descriptors(codec, bytes),
    }
}

/// Checks that a value gets each of its three descriptors once, and no other.
fn check_descriptors<C: Codec>(codec: &C, bytes: &[u8]) {
    let open = || Attachment::new(File::open("/dev/null").expect("it can be opened").into());
    let mut body = Body::from(bytes.to_vec());
    body.attach(Attachments::Held((0..3).map(|_| open()).collect()));
    let Ok(files) = decode_body::<_, Vec<Option<Fd>>>(codec, &body) else { return };
    assert!(files.iter().flatten().count() <= 3);
    assert!(files.into_iter().flatten().all(|file| file.take().is_some()));
}

/// Checks that a decoded value can be encoded, and that its encoding keeps its length from then on.
fn check_value<C: Codec, T: Serialize + DeserializeOwned>(codec: &C, bytes: &[u8]) {
    let Ok(value) = decode_within::<_, T>(codec, bytes, Budget::default()) else { return };
    let mut written = BytesMut::new();
    // JSON has no NaN, and postcard cannot decode untagged enums.
    if codec.encode(&value, &mut written).is_err() {
        return;
    }
    let Ok(back) = decode_within::<_, T>(codec, &written, Budget::LOCAL) else { return };
    let mut rewritten = BytesMut::new();
    codec.encode(&back, &mut rewritten).expect("a decoded value can be encoded");
    assert_eq!(written.len(), rewritten.len());
}
