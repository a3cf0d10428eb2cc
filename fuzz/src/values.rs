//! Bytes as values of each codec, within the budget that is the default.

use std::collections::{BTreeMap, HashMap};

use bytes::BytesMut;
use isolated_workers::codec::{Cbor, Codec, Json, Postcard, decode_within};
use isolated_workers::protocol::Budget;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// A part of everything that serde knows.
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

/// To a format that describes itself, any value has as many levels as this type wants.
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

/// The first byte chooses codec and type.
pub fn check(data: &[u8]) {
    let Some((choice, bytes)) = data.split_first() else { return };
    match choice % 3 {
        0 => of(&Json, choice / 3, bytes),
        1 => of(&Postcard, choice / 3, bytes),
        _ => of(&Cbor, choice / 3, bytes),
    }
}

/// How many types there are.
pub const TYPES: u8 = 9;

fn of<C: Codec>(codec: &C, choice: u8, bytes: &[u8]) {
    match choice % TYPES {
        0 => value::<C, All>(codec, bytes),
        1 => value::<C, Vec<Shape>>(codec, bytes),
        2 => value::<C, Endless>(codec, bytes),
        3 => value::<C, Vec<()>>(codec, bytes),
        4 => value::<C, Either>(codec, bytes),
        5 => value::<C, serde_json::Value>(codec, bytes),
        6 => value::<C, BTreeMap<String, Vec<Option<String>>>>(codec, bytes),
        7 => value::<C, serde_bytes::ByteBuf>(codec, bytes),
        _ => value::<C, (f64, char, Vec<Option<u8>>)>(codec, bytes),
    }
}

/// A value that was read can be written, and what is written of it stays the same from then on.
fn value<C: Codec, T: Serialize + DeserializeOwned>(codec: &C, bytes: &[u8]) {
    let Ok(value) = decode_within::<_, T>(codec, bytes, Budget::default()) else { return };
    let mut written = BytesMut::new();
    // JSON has no NaN, and postcard cannot tell what is untagged.
    if codec.encode(&value, &mut written).is_err() {
        return;
    }
    let Ok(back) = decode_within::<_, T>(codec, &written, Budget::LOCAL) else { return };
    let mut again = BytesMut::new();
    codec.encode(&back, &mut again).expect("it has a form in this format");
    assert_eq!(written.len(), again.len());
}
