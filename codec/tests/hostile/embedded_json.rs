//! JSON texts within strings, which `serde_json::Value` decodes behind a key of `serde_json`
//! itself.

use std::collections::BTreeMap;
use std::fmt::Debug;

use bytes::BytesMut;
use isolated_workers_codec::{Cbor, Codec, Compressed, Json, Postcard, decode_within};
use isolated_workers_core::Budget;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::memory::measured;

const KEY: &str = "$serde_json::private::RawValue";

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "never read")]
struct Flat {
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
#[expect(dead_code, reason = "never read")]
enum Untagged {
    Number(u8),
    Any(Value),
}

fn encoded<C: Codec>(codec: &C, value: &impl Serialize) -> BytesMut {
    let mut out = BytesMut::new();
    codec.encode(value, &mut out).unwrap();
    out
}

#[track_caller]
fn refused<C: Codec, T: DeserializeOwned + Send + Debug>(codec: &C, value: &Value) {
    let bytes = encoded(codec, value);
    let (peak, result) = measured(|| decode_within::<_, T>(codec, &bytes, Budget::default()));
    let error = result.unwrap_err().to_string();
    assert!(error.contains(&format!("the key `{KEY}`")), "{}: {error}", C::ID);
    assert!(error.contains("rename it"), "{}: {error}", C::ID);
    assert!(peak <= 1 << 20, "{peak} bytes");
}

/// Returns a text that is 100 levels deep, with `texts` such texts within it.
fn texts_in_texts(texts: usize) -> String {
    let (open, close) = ("[".repeat(100), "]".repeat(100));
    (0..texts).fold(format!("{open}{close}"), |inner, _| {
        // Each text adds a few bytes to the escape of a quote, instead of doubling it.
        let inner = inner.replace('\\', "\\u005c").replace('"', "\\u0022");
        format!("{open}{{\"{KEY}\":\"{inner}\"}}{close}")
    })
}

fn json_in_strings_is_refused<C: Codec>(codec: C) {
    let within = |text: String| serde_json::json!({ KEY: text });
    for value in [
        within("7".to_owned()),
        // Levels that no budget counts.
        within(texts_in_texts(100)),
        // Elements and memory that no budget counts.
        within(format!("[{}0]", "[],".repeat(200_000))),
    ] {
        refused::<_, Value>(&codec, &value);
        refused::<_, Untagged>(&codec, &value);
        let inner = serde_json::json!({ "rest": value });
        refused::<_, Value>(&codec, &inner);
        refused::<_, Vec<Value>>(&codec, &Value::from(vec![inner.clone()]));
        refused::<_, Untagged>(&codec, &inner);
        refused::<_, Flat>(&codec, &inner);
    }
}

/// The key is refused in every map, so that all codecs and types agree.
fn the_key_is_refused_in_every_map<C: Codec>(codec: C) {
    let bytes = encoded(&codec, &BTreeMap::from([("a", 1), (KEY, 2)]));
    let error = decode_within::<_, BTreeMap<String, u8>>(&codec, &bytes, Budget::default()).unwrap_err();
    assert!(error.has_advice() && !error.is_over_budget(), "{error}");
    assert!(error.to_string().contains(&format!("the key `{KEY}` is reserved for `serde_json`")), "{error}");
}

fn the_text_of_the_key_is_allowed_elsewhere<C: Codec>(codec: C) {
    let value = vec![KEY.to_owned()];
    let bytes = encoded(&codec, &value);
    assert_eq!(decode_within::<_, Vec<String>>(&codec, &bytes, Budget::default()).unwrap(), value);
    let value = BTreeMap::from([("key".to_owned(), KEY.to_owned())]);
    let bytes = encoded(&codec, &value);
    assert_eq!(decode_within::<_, BTreeMap<_, _>>(&codec, &bytes, Budget::default()).unwrap(), value);
}

#[test]
fn raw_values_are_decoded() {
    #[derive(Deserialize)]
    struct Raw<'a> {
        owned: Box<RawValue>,
        #[serde(borrow)]
        lent: Option<&'a RawValue>,
    }
    let text = format!("[1,  {{\"{KEY}\":[]}}]");
    let json = format!("{{\"owned\":{text},\"lent\":{text}}}");
    let raw: Raw<'_> = decode_within(&Json, json.as_bytes(), Budget::default()).unwrap();
    assert_eq!((raw.owned.get(), raw.lent.unwrap().get()), (&*text, &*text));
    let list: Vec<Box<RawValue>> = decode_within(&Json, b"[1, {} ]", Budget::default()).unwrap();
    assert_eq!(list[1].get(), "{}");
}

#[test]
fn json_in_strings_is_refused_in_formats_that_describe_themselves() {
    json_in_strings_is_refused(Json);
    json_in_strings_is_refused(Cbor);
    json_in_strings_is_refused(Compressed::new(Json));
}

macro_rules! suite {
    ($($name:ident: $codec:expr;)*) => {$(
        mod $name {
            use super::*;

            #[test]
            fn the_key_is_refused_in_every_map() { super::the_key_is_refused_in_every_map($codec) }
            #[test]
            fn the_text_of_the_key_is_allowed_elsewhere() {
                super::the_text_of_the_key_is_allowed_elsewhere($codec)
            }
        }
    )*};
}

suite! {
    json: Json;
    cbor: Cbor;
    postcard: Postcard;
}
