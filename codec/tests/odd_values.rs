//! Odd values, with every codec: they round trip, or they are refused and never changed.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::fmt::Debug;
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::num::{NonZeroI128, Wrapping};
use std::ops::{Bound, RangeInclusive};
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use isolated_workers_codec::{Cbor, Codec, CodecError, Compressed, Json, Postcard, decode_body, encode_body};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Defines a test of one property with each codec.
macro_rules! check_with_each_codec {
    ($(#[$attribute:meta])* $name:ident; |$codec:ident| $body:block) => {
        #[test]
        $(#[$attribute])*
        fn $name() {
            fn check<C: isolated_workers_codec::Codec>($codec: &C) $body
            check(&isolated_workers_codec::Json);
            check(&isolated_workers_codec::Postcard);
            check(&isolated_workers_codec::Cbor);
            check(&isolated_workers_codec::Compressed::new(isolated_workers_codec::Json).threshold(0));
            check(&isolated_workers_codec::Compressed::new(isolated_workers_codec::Postcard).threshold(0));
        }
    };
}

mod odd_values {
    mod attributes;
    mod extremes;
    mod library_types;
    mod shapes;
    mod wide;
}

/// Encodes a value and decodes it as another type, as a peer with another definition does.
fn sent<C: Codec, T: DeserializeOwned>(
    codec: &C,
    value: &(impl Serialize + ?Sized),
) -> Result<T, CodecError> {
    decode_body(codec, &encode_body(codec, value)?)
}

#[track_caller]
fn same<C: Codec, T: Serialize + DeserializeOwned + PartialEq + Debug>(codec: &C, value: T) {
    let back: T = sent(codec, &value).unwrap_or_else(|error| panic!("{}: {value:?}: {error}", C::ID));
    assert_eq!(back, value, "{}", C::ID);
}

#[track_caller]
fn refused<C: Codec, T: Serialize + DeserializeOwned + Debug>(codec: &C, value: &T, cause: &str) {
    let error = sent::<_, T>(codec, value).unwrap_err();
    assert!(!error.is_over_budget(), "{}: {error}", C::ID);
    assert!(error.to_string().contains(cause), "{}: {error}", C::ID);
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Expression {
    Number(i64),
    Negative(Box<Expression>),
    Sum(Vec<Expression>),
    Let { name: String, value: Box<Expression>, body: Option<Box<Expression>> },
    Unit(),
    Empty {},
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Zero;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct NoFields {}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct NoParts();

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Marker<T>(PhantomData<T>);

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
struct Id(u64);

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
struct Even(u8);

impl TryFrom<u8> for Even {
    type Error = String;

    fn try_from(number: u8) -> Result<Self, String> {
        if number.is_multiple_of(2) { Ok(Self(number)) } else { Err(format!("{number} is odd")) }
    }
}

impl From<Even> for u8 {
    fn from(even: Even) -> Self {
        even.0
    }
}

impl Clone for Even {
    fn clone(&self) -> Self {
        Self(self.0)
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "SCREAMING-KEBAB-CASE")]
struct Renamed {
    r#type: u8,
    some_name: u8,
    #[serde(default)]
    missing: u8,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[repr(u8)]
enum Discriminant {
    First = 200,
    #[serde(rename = "")]
    Nameless = 3,
    #[serde(alias = "other")]
    Aliased,
}

fn odd_values_round_trip<C: Codec>(codec: C) {
    let one = || Expression::Number(i64::MIN);
    let body = Some(Expression::Negative(Expression::Sum(vec![]).into()).into());
    let named = Expression::Let { name: String::new(), value: one().into(), body };
    same(&codec, Expression::Sum(vec![one(), named, Expression::Unit(), Expression::Empty {}]));
    same(&codec, (Zero, NoFields {}, NoParts(), Marker::<fn()>(PhantomData), [(); 3]));
    same(&codec, vec![Zero, Zero]);
    same(&codec, vec![(), (), ()]);
    same(&codec, (vec![NoFields {}], vec![NoParts()]));
    same(&codec, BTreeMap::from([("a".to_owned(), ()), ("b".to_owned(), ())]));
    same(&codec, BTreeMap::from([(Id(u64::MAX), Id(0))]));
    same(&codec, BTreeMap::from([(String::from("\0\"\\/\u{7f}\u{feff}"), 1), ("x".repeat(70_000), 2)]));
    same(&codec, BTreeMap::from([(Cow::Borrowed("a"), Cow::Borrowed("b"))]));
    let body = encode_body(&codec, &Text("borrowed\nor not".into())).unwrap();
    assert_eq!(decode_body::<_, Text<'_>>(&codec, &body).unwrap(), Text("borrowed\nor not".into()));
    same(&codec, ['\0', '\u{d7ff}', '\u{e000}', char::MAX]);
    same(&codec, "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467} e\u{301} \u{202e}rtl".to_owned());
    same(&codec, String::new());
    same(&codec, "y".repeat(100_000));
    same(&codec, (Duration::ZERO, Duration::MAX, Duration::new(0, 999_999_999)));
    same(&codec, SystemTime::UNIX_EPOCH + Duration::new(u32::MAX.into(), 1));
    same(&codec, (f32::MIN_POSITIVE, f32::EPSILON, f32::MAX, 1e-45_f32, f64::MAX, -0.0_f64, 1e-310_f64));
    same(&codec, (i8::MIN, i16::MIN, i32::MIN, u8::MAX, u16::MAX, u32::MAX, usize::MAX, isize::MIN));
    same(&codec, (NonZeroI128::MIN, Wrapping(u128::MAX), Reverse(1), Cell::new(1), RefCell::new(vec![1])));
    same(&codec, (Bound::Included(1), Bound::<u8>::Unbounded, RangeInclusive::new(1, 0)));
    same(&codec, (VecDeque::from([1, 2]), BTreeSet::from([3]), HashSet::from([4])));
    same(&codec, ("[::1]:0".parse::<SocketAddr>().unwrap(), Box::<str>::from("b"), Box::<[u8]>::from([1])));
    same(&codec, Some(Some(Some(1))));
    same(&codec, vec![Some(String::new()), None]);
    same(&codec, (Ok::<(), Zero>(()), Err::<(), Zero>(Zero)));
    same(&codec, Even(8));
    same(&codec, Renamed { r#type: 1, some_name: 2, missing: 3 });
    same(&codec, vec![Discriminant::First, Discriminant::Nameless, Discriminant::Aliased]);
    same(&codec, [[0_u8; 32]; 2]);
    same(&codec, (1, (2, (3, (4, (5, (6, (7,))))))));
    same(&codec, vec![vec![Vec::<Vec<u8>>::new()]; 3]);
}

fn invalid_values_are_refused<C: Codec>(codec: C) {
    refused(&codec, &Locked, "lock poison error");
    let body = encode_body(&codec, &7_u8).unwrap();
    let error = decode_body::<_, Even>(&codec, &body).unwrap_err().to_string();
    assert!(error.contains("7 is odd"), "{error}");
    refused(&codec, &BeforeEpoch(SystemTime::UNIX_EPOCH - Duration::from_secs(1)), "later than UNIX_EPOCH");
    let too_many = encode_body(&codec, &(1_u8, 2_u8, 3_u8)).unwrap();
    assert!(decode_body::<_, (u8, u8)>(&codec, &too_many).is_err());
    let too_few = encode_body(&codec, &(1_u8,)).unwrap();
    assert!(decode_body::<_, (u8, u8)>(&codec, &too_few).is_err());
    let large = encode_body(&codec, &300_u16).unwrap();
    assert!(decode_body::<_, u8>(&codec, &large).is_err());
}

/// Mutex that a panic has poisoned.
#[derive(Debug, Deserialize)]
struct Locked;

impl Serialize for Locked {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mutex = Mutex::new(1);
        let poison = std::panic::AssertUnwindSafe(|| {
            let _guard = mutex.lock();
            std::panic::resume_unwind(Box::new("poison"));
        });
        assert!(std::panic::catch_unwind(poison).is_err());
        mutex.serialize(serializer)
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct BeforeEpoch(SystemTime);

#[test]
fn the_payload_of_a_nan_survives_in_binary_formats() {
    fn check<C: Codec>(codec: &C) {
        for bits in [0x7ff8_0000_0000_0001_u64, 0xfff0_0000_0000_0001, 0x7ff8_0000_0000_0000] {
            let body = encode_body(codec, &f64::from_bits(bits)).unwrap();
            let back: f64 = decode_body(codec, &body).unwrap();
            assert!(back.is_nan(), "{}", C::ID);
            if C::ID == Postcard::ID {
                assert_eq!(back.to_bits(), bits);
            }
        }
    }
    check(&Postcard);
    check(&Cbor);
    refused(&Json, &f32::NAN, "null");
}

macro_rules! suite {
    ($($name:ident: $codec:expr;)*) => {$(
        mod $name {
            use super::*;

            #[test]
            fn odd_values_round_trip() { super::odd_values_round_trip($codec) }
            #[test]
            fn invalid_values_are_refused() { super::invalid_values_are_refused($codec) }
        }
    )*};
}

suite! {
    json: Json;
    postcard: Postcard;
    cbor: Cbor;
    compressed_json: Compressed::new(Json);
    compressed_postcard: Compressed::new(Postcard);
    compressed_cbor: Compressed::new(Cbor);
}
