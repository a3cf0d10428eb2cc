//! Shapes of enums, containers and texts that users write, and those that one format has no form
//! for.

use std::collections::{BTreeMap, HashMap};
use std::marker::PhantomData;
use std::num::{NonZeroI8, Saturating};

use isolated_workers_codec::{Cbor, Codec, Json, Postcard};
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};

use crate::{refused, same, sent};

/// Variants that are found by their name, and one that takes what is left.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Setting {
    Flag(bool),
    PairOf(u8, Box<Setting>),
    #[serde(untagged)]
    Text(String),
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind")]
enum Tagged {
    Unit,
    Inner(Inner),
    Map(BTreeMap<String, u8>),
    Fields { inner: Option<Inner> },
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Inner {
    count: u32,
    #[serde(default = "seven", skip_serializing_if = "is_seven")]
    seven: u8,
}

fn seven() -> u8 {
    7
}

fn is_seven(number: &u8) -> bool {
    *number == 7
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Flattened {
    before: u8,
    #[serde(flatten)]
    inner: Option<Inner>,
    #[serde(flatten)]
    kind: Kind,
    #[serde(flatten)]
    rest: HashMap<String, bool>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Kind {
    Small(u8),
    Large { by: u16 },
}

#[test]
fn enums_and_flattened_parts_round_trip_in_formats_that_describe_themselves() {
    fn check<C: Codec>(codec: &C) {
        let text = Setting::Text("pair-of".into());
        same(codec, vec![Setting::Flag(true), Setting::PairOf(1, Setting::Flag(false).into()), text]);
        let inner = Inner { count: 1, seven: 8 };
        same(codec, vec![Tagged::Unit, Tagged::Inner(inner.clone()), Tagged::Inner(Inner::default())]);
        same(codec, Tagged::Map(BTreeMap::from([("a".into(), 1), (String::new(), 2)])));
        same(codec, vec![Tagged::Fields { inner: Some(inner.clone()) }, Tagged::Fields { inner: None }]);
        let rest = HashMap::from([("x".to_owned(), true)]);
        same(codec, Flattened { before: 1, inner: Some(inner), kind: Kind::Small(2), rest: rest.clone() });
        same(codec, Flattened { before: 1, inner: None, kind: Kind::Large { by: 3 }, rest });
    }
    check(&Json);
    check(&Cbor);
    refused(&Postcard, &Setting::Text("t".into()), "use `Json` or `Cbor`");
    refused(&Postcard, &Tagged::Unit, "use `Json` or `Cbor`");
    let flattened = Flattened { before: 1, inner: None, kind: Kind::Small(2), rest: HashMap::new() };
    refused(&Postcard, &flattened, "use `Json` or `Cbor`");
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(bound = "")]
struct Id<T> {
    number: u64,
    #[serde(skip)]
    of: PhantomData<fn() -> T>,
}

/// Type without serde support.
#[derive(Debug, PartialEq)]
struct Unknown;

/// Numbers of the variants, which do not travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(i16)]
enum Level {
    Low = -300,
    High = 300,
}

/// Written by hand: a sequence of a length that is not known before.
#[derive(Debug, PartialEq)]
struct Countdown(u8);

impl Serialize for Countdown {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq((0..self.0).rev().filter(|number| number % 2 == 0))
    }
}

impl<'de> Deserialize<'de> for Countdown {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(2 * u8::try_from(Vec::<u8>::deserialize(deserializer)?.len()).unwrap()))
    }
}

check_with_each_codec! { values_of_rare_shapes_round_trip;
    |codec| {
        same(codec, Id::<Unknown> { number: u64::MAX, of: PhantomData });
        same(codec, BTreeMap::from([(Level::High, Level::Low), (Level::Low, Level::High)]));
        same(codec, vec![vec![vec![(); 3]; 2], vec![]]);
        same(codec, Box::<[Box<str>]>::from([Box::from("a"), Box::from("")]));
        same(codec, (Saturating(u8::MAX), NonZeroI8::MIN, [[[0_i8; 2]; 2]; 2]));
        same(codec, Err::<Result<Option<u8>, ()>, Result<u8, String>>(Err("no".into())));
        same(codec, [1_u64 << 53, (1 << 53) + 1, u64::MAX - 1]);
        same(codec, (f32::MIN_POSITIVE / 2.0, f64::EPSILON, f32::MAX, -f64::MAX));
        same(codec, BTreeMap::from([('\0', "\u{feff}"), ('\u{10ffff}', "\u{7f}")].map(|(k, v)| (k, v.to_owned()))));
        same(codec, (0..=0x1f_u8).map(char::from).collect::<String>());
        same(codec, BTreeMap::from([("k".repeat(70_000), vec![Some("v".repeat(70_000))])]));
        same(codec, vec![(Some(String::new()), None::<String>); 1_000]);
        assert!(matches!(sent::<_, ()>(codec, &PhantomData::<u8>), Ok(())));
    }
}

#[test]
fn a_sequence_without_a_length_is_refused_by_postcard_alone() {
    let countdown = || Countdown(6);
    same(&Json, countdown());
    same(&Cbor, countdown());
    refused(&Postcard, &countdown(), "use `Json` or `Cbor`");
}

#[test]
fn values_that_are_ignored_are_skipped_in_formats_that_describe_themselves() {
    fn check<C: Codec>(codec: &C) {
        let value = (Kind::Large { by: 1 }, vec![Some(0.5)], BTreeMap::from([(1, "x")]));
        assert!(sent::<_, IgnoredAny>(codec, &value).is_ok());
        assert!(sent::<_, (Kind, IgnoredAny, IgnoredAny)>(codec, &value).is_ok());
    }
    check(&Json);
    check(&Cbor);
    assert!(sent::<_, IgnoredAny>(&Postcard, &1).unwrap_err().to_string().contains("use `Json` or `Cbor`"));
}

/// JSON text, and a type that contains it.
#[derive(Debug, Serialize, Deserialize)]
struct Document {
    text: Box<RawValue>,
}

#[test]
fn raw_json_needs_the_codec_json() {
    fn check<C: Codec>(codec: &C) {
        let raw = || to_raw_value(&[1, 2]).unwrap();
        let advice = "`RawValue` of `serde_json` needs the codec `Json`: send the text as a `String`";
        refused(codec, &raw(), advice);
        refused(codec, &Document { text: raw() }, advice);
        refused(codec, &vec![Some(raw())], advice);
        assert!(sent::<_, Box<RawValue>>(codec, &raw()).unwrap_err().has_advice());
    }
    check(&Cbor);
    check(&Postcard);
    let back: Document =
        sent(&Json, &Document { text: RawValue::from_string("[1,  2]".into()).unwrap() }).unwrap();
    assert_eq!(back.text.get(), "[1,  2]");
}
