//! Large `Bytes` are shared on their way into a body and out of it, and nobody can tell from the bytes.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::{Bytes, BytesMut};
use isolated_workers_codec::{
    Cbor, Codec, CodecError, Compressed, Framing, Json, LengthPrefixed, Postcard, decode_body, decode_within,
    encode_body, zero_copy_bytes,
};
use isolated_workers_core::{Body, Budget, Frame, Limits, Metadata};
use serde::ser::Error as _;
use serde::{Deserialize, Serialize, Serializer};
use tokio_util::codec::{Decoder, Encoder};

const LARGE: usize = 100_000;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Picture {
    name: String,
    #[serde(with = "zero_copy_bytes")]
    pixels: Bytes,
    #[serde(with = "zero_copy_bytes")]
    mask: Bytes,
    comment: String,
}

fn picture(pixels: usize, mask: usize) -> Picture {
    let bytes = |size: usize| (0..size).map(|at| at as u8).collect::<Vec<_>>().into();
    Picture { name: "sea".into(), pixels: bytes(pixels), mask: bytes(mask), comment: "calm".into() }
}

/// The same, of a type that shares nothing.
#[derive(Serialize)]
struct Plain<'a> {
    name: &'a str,
    #[serde(with = "serde_bytes")]
    pixels: &'a [u8],
    #[serde(with = "serde_bytes")]
    mask: &'a [u8],
    comment: &'a str,
}

impl Picture {
    fn plain(&self) -> Plain<'_> {
        Plain { name: &self.name, pixels: &self.pixels, mask: &self.mask, comment: &self.comment }
    }
}

fn encoded<C: Codec, T: Serialize>(codec: &C, value: &T) -> Bytes {
    let mut out = BytesMut::new();
    codec.encode(value, &mut out).unwrap();
    out.freeze()
}

fn is_within(part: &[u8], whole: &[u8]) -> bool {
    let (part, whole) = (part.as_ptr_range(), whole.as_ptr_range());
    whole.start <= part.start && part.end <= whole.end
}

fn frame(body: Body) -> Frame {
    Frame::reply(1.into(), "".into(), body, Metadata::new())
}

fn nobody_can_tell<C: Codec>(codec: C) {
    for sizes in [(0, 0), (10, LARGE), (LARGE, 0), (LARGE, LARGE), (70_000, 20_000)] {
        let picture = picture(sizes.0, sizes.1);
        let expected = encoded(&codec, &picture.plain());
        assert_eq!(encoded(&codec, &picture), expected);
        let body = encode_body(&codec, &picture).unwrap();
        assert_eq!((body.len(), body.as_bytes()), (expected.len(), &*expected));

        let mut framing = codec.framing(Limits::default());
        let (mut ours, mut theirs) = (BytesMut::new(), BytesMut::new());
        framing.encode(&frame(encode_body(&codec, &picture).unwrap()), &mut ours).unwrap();
        framing.encode(&frame(expected.into()), &mut theirs).unwrap();
        assert_eq!(ours, theirs);
        let received = framing.decode(&mut ours).unwrap().unwrap();
        assert_eq!(decode_body::<_, Picture>(&codec, received.body().unwrap()).unwrap(), picture);
    }
}

#[test]
fn the_wire_is_the_same() {
    nobody_can_tell(Postcard);
    nobody_can_tell(Cbor);
    nobody_can_tell(Json);
    nobody_can_tell(Compressed::new(Postcard));
    nobody_can_tell(Compressed::new(Json));
}

fn large_is_shared<C: Codec>(codec: C) {
    let picture = picture(LARGE, 2 * LARGE);
    let body = encode_body(&codec, &picture).unwrap();
    let [_, pixels, _, mask, _] = body.pieces() else { panic!("{:?}", body.pieces().len()) };
    assert_eq!((pixels.as_ptr(), mask.as_ptr()), (picture.pixels.as_ptr(), picture.mask.as_ptr()));
}

#[test]
fn what_is_encoded_large_is_a_piece() {
    large_is_shared(Postcard);
    large_is_shared(Cbor);
    large_is_shared(Compressed::new(Postcard));
    let one = encode_body(&Postcard, &picture((64 << 10) - 1, 0)).unwrap();
    assert_eq!(one.pieces().len(), 1, "it is copied");
    assert_eq!(encode_body(&Json, &picture(LARGE, 0)).unwrap().pieces().len(), 1);
}

fn a_part_is_shared<C: Codec>(codec: C) {
    let body = Body::from(encoded(&codec, &picture(16 << 10, (16 << 10) - 1)));
    let back: Picture = decode_body(&codec, &body).unwrap();
    assert!(is_within(&back.pixels, body.as_bytes()), "{}: large", C::ID);
    assert!(!is_within(&back.mask, body.as_bytes()), "{}: small", C::ID);
    // Nothing lends its memory here.
    let alone: Picture = decode_within(&codec, body.as_bytes(), body.budget()).unwrap();
    assert!(!is_within(&alone.pixels, body.as_bytes()));
    assert_eq!(alone, back);
}

#[test]
fn what_is_decoded_large_is_a_part() {
    a_part_is_shared(Postcard);
    a_part_is_shared(Compressed::new(Postcard));
}

#[test]
fn it_is_counted_all_the_same() {
    let body = |decoded| {
        let mut body = encode_body(&Postcard, &picture(LARGE, 0)).unwrap();
        body.set_budget(Limits::default().decoded(decoded).budget());
        body
    };
    assert!(decode_body::<_, Picture>(&Postcard, &body(LARGE - 1)).unwrap_err().is_over_budget());
    assert!(decode_body::<_, Picture>(&Postcard, &body(2 * LARGE)).is_ok());
}

#[test]
fn a_frame_has_its_limit_with_all_pieces() {
    let mut framing = LengthPrefixed::new(Limits::default().frame(LARGE));
    let body = encode_body(&Postcard, &picture(LARGE, 0)).unwrap();
    let mut out = BytesMut::new();
    assert!(framing.encode_head(&frame(body), &mut out).is_err());
    assert!(out.is_empty());
}

thread_local! {
    static INNER: RefCell<Option<Body>> = const { RefCell::new(None) };
}

/// Encodes and decodes something else, while it is encoded and decoded itself.
#[derive(Debug, PartialEq)]
struct Nesting(Picture);

impl Serialize for Nesting {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let inner = encode_body(&Postcard, &picture(2 * LARGE, 0)).map_err(S::Error::custom)?;
        assert_eq!(inner.pieces().len(), 3);
        assert_eq!(inner.as_bytes(), encoded(&Postcard, &picture(2 * LARGE, 0)));
        // What knows nothing of pieces writes to a buffer of its own.
        assert_eq!(encoded(&Postcard, &self.0), encoded(&Postcard, &self.0.plain()));
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Nesting {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let inner = encode_body(&Postcard, &picture(LARGE, 20_000)).unwrap();
        let other: Picture = decode_body(&Postcard, &inner).unwrap();
        assert!(is_within(&other.pixels, inner.as_bytes()) && is_within(&other.mask, inner.as_bytes()));
        let small = Body::from(encoded(&Postcard, &picture(10, 0)));
        assert_eq!(decode_body::<_, Picture>(&Postcard, &small).unwrap(), picture(10, 0));
        INNER.set(Some(inner));
        Picture::deserialize(deserializer).map(Self)
    }
}

#[test]
fn values_within_values_are_told_apart() {
    for _ in 0..3 {
        let value = Nesting(picture(LARGE, LARGE));
        let body = encode_body(&Postcard, &value).unwrap();
        assert_eq!(body.pieces()[1].as_ptr(), value.0.pixels.as_ptr());
        let back: Nesting = decode_body(&Postcard, &body).unwrap();
        assert!(is_within(&back.0.pixels, body.as_bytes()) && is_within(&back.0.mask, body.as_bytes()));
        assert!(!is_within(&back.0.pixels, INNER.take().unwrap().as_bytes()));
        assert_eq!(back, value);
    }
}

/// Goes wrong behind its bytes.
struct Broken<'a>(&'a Picture, fn() -> String);

impl Serialize for Broken<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)?;
        Err(S::Error::custom((self.1)()))
    }
}

#[derive(Debug)]
struct Panics;

impl<'de> Deserialize<'de> for Panics {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Picture::deserialize(deserializer)?;
        panic!("of a type")
    }
}

/// Refuses bytes without a look, or panics at them.
struct Refusing(fn() -> CodecError);

impl serde::Serialize for Refusing {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(S::Error::custom((self.0)()))
    }
}

#[test]
fn nothing_is_held_after_an_error_or_a_panic() {
    let value = picture(LARGE, 0);
    let is_alone = |bytes: &Bytes| bytes.is_unique();
    assert!(encode_body(&Postcard, &Broken(&value, || "no".into())).is_err());
    assert!(is_alone(&value.pixels));
    let panics = Broken(&value, || panic!("of a type"));
    assert!(catch_unwind(AssertUnwindSafe(|| encode_body(&Postcard, &panics))).is_err());
    assert!(is_alone(&value.pixels));
    assert!(encode_body(&Postcard, &Refusing(|| CodecError::new("no"))).is_err());
    // Offered, and taken by nobody.
    encoded(&Postcard, &value);
    encode_body(&Json, &value).unwrap();
    assert!(is_alone(&value.pixels));

    let bytes = encoded(&Postcard, &value);
    let body = Body::from(bytes.clone());
    assert!(decode_body::<_, (Picture, u8)>(&Postcard, &body).is_err());
    assert!(catch_unwind(AssertUnwindSafe(|| decode_body::<_, Panics>(&Postcard, &body))).is_err());
    let mut short = Body::from(bytes.slice(..bytes.len() - 3));
    short.set_budget(Budget::LOCAL);
    assert!(decode_body::<_, Picture>(&Postcard, &short).is_err());
    drop((body, short));
    assert!(bytes.is_unique());
}

/// A codec of somebody who knows nothing of pieces, and changes what another codec has written.
#[derive(Clone)]
struct Turned;

impl Codec for Turned {
    const ID: &'static str = "turned";
    type Framing = LengthPrefixed;

    fn encode<T: Serialize + ?Sized>(&self, value: &T, out: &mut BytesMut) -> Result<(), CodecError> {
        let start = out.len();
        Postcard.encode(value, out)?;
        out[start..].iter_mut().for_each(|byte| *byte = !*byte);
        Ok(())
    }

    fn decode<'de, T: Deserialize<'de>>(&self, bytes: &'de [u8]) -> Result<T, CodecError> {
        // Its own buffer must not outlive this.
        let turned: Vec<u8> = bytes.iter().map(|byte| !byte).collect();
        let turned: &'de [u8] = Vec::leak(turned);
        Postcard.decode(turned)
    }

    fn framing(&self, limits: Limits) -> LengthPrefixed {
        LengthPrefixed::new(limits)
    }
}

#[test]
fn a_codec_that_knows_nothing_of_it_works() {
    let value = picture(LARGE, 20_000);
    let body = encode_body(&Turned, &value).unwrap();
    assert_eq!(body.pieces().len(), 1);
    assert!(body.as_bytes().iter().map(|byte| !byte).eq(encoded(&Postcard, &value)));
    assert_eq!(decode_body::<_, Picture>(&Turned, &body).unwrap(), value);
}
