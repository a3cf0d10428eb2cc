//! Large `Bytes` are encoded into a body and decoded from it without a copy. The wire is the same.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::{Bytes, BytesMut};
use isolated_workers_codec::{
    Cbor, Codec, CodecError, Compressed, Framing, Json, LengthPrefixed, Postcard, byte_vec, decode_body,
    decode_within, encode_body, zero_copy_bytes,
};
use isolated_workers_core::{Body, Budget, Frame, Limits, Metadata};
use serde::ser::Error as _;
use serde::{Deserialize, Serialize, Serializer};
use tokio_util::codec::{Decoder, Encoder};

const LARGE_BYTES: usize = 100_000;

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

/// The same fields, with bytes that are copied.
#[derive(Serialize)]
struct Plain<'a> {
    name: &'a str,
    #[serde(with = "byte_vec")]
    pixels: &'a [u8],
    #[serde(with = "byte_vec")]
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

fn check_same_wire<C: Codec>(codec: C) {
    for sizes in [(0, 0), (10, LARGE_BYTES), (LARGE_BYTES, 0), (LARGE_BYTES, LARGE_BYTES), (70_000, 20_000)] {
        let picture = picture(sizes.0, sizes.1);
        let expected = encoded(&codec, &picture.plain());
        assert_eq!(encoded(&codec, &picture), expected);
        let body = encode_body(&codec, &picture).unwrap();
        assert_eq!((body.len(), body.as_bytes()), (expected.len(), &*expected));

        let mut framing = codec.framing(Limits::default());
        let (mut shared, mut copied) = (BytesMut::new(), BytesMut::new());
        framing.encode(&frame(encode_body(&codec, &picture).unwrap()), &mut shared).unwrap();
        framing.encode(&frame(expected.into()), &mut copied).unwrap();
        assert_eq!(shared, copied);
        let received = framing.decode(&mut shared).unwrap().unwrap();
        assert_eq!(decode_body::<_, Picture>(&codec, received.body().unwrap()).unwrap(), picture);
    }
}

#[test]
fn shared_bytes_are_the_same_on_the_wire() {
    check_same_wire(Postcard);
    check_same_wire(Cbor);
    check_same_wire(Json);
    check_same_wire(Compressed::new(Postcard));
    check_same_wire(Compressed::new(Json));
}

fn check_pieces<C: Codec>(codec: C) {
    let picture = picture(LARGE_BYTES, 2 * LARGE_BYTES);
    let body = encode_body(&codec, &picture).unwrap();
    let [_, pixels, _, mask, _] = body.pieces() else { panic!("{:?}", body.pieces().len()) };
    assert_eq!((pixels.as_ptr(), mask.as_ptr()), (picture.pixels.as_ptr(), picture.mask.as_ptr()));
}

#[test]
fn large_bytes_become_pieces_of_the_body() {
    check_pieces(Postcard);
    check_pieces(Cbor);
    check_pieces(Compressed::new(Postcard));
    let one = encode_body(&Postcard, &picture((64 << 10) - 1, 0)).unwrap();
    assert_eq!(one.pieces().len(), 1, "small bytes are copied");
    assert_eq!(encode_body(&Json, &picture(LARGE_BYTES, 0)).unwrap().pieces().len(), 1);
}

fn check_shared_parts<C: Codec>(codec: C) {
    let body = Body::from(encoded(&codec, &picture(16 << 10, (16 << 10) - 1)));
    let back: Picture = decode_body(&codec, &body).unwrap();
    assert!(is_within(&back.pixels, body.as_bytes()), "{}: large", C::ID);
    assert!(!is_within(&back.mask, body.as_bytes()), "{}: small", C::ID);
    // `decode_within` has no buffer to share.
    let copied: Picture = decode_within(&codec, body.as_bytes(), body.budget()).unwrap();
    assert!(!is_within(&copied.pixels, body.as_bytes()));
    assert_eq!(copied, back);
}

#[test]
fn large_bytes_are_decoded_as_parts_of_the_body() {
    check_shared_parts(Postcard);
    check_shared_parts(Compressed::new(Postcard));
}

#[test]
fn shared_bytes_count_toward_the_budget() {
    let body = |decoded| {
        let mut body = encode_body(&Postcard, &picture(LARGE_BYTES, 0)).unwrap();
        body.set_budget(Limits::default().decoded(decoded).budget());
        body
    };
    assert!(decode_body::<_, Picture>(&Postcard, &body(LARGE_BYTES - 1)).unwrap_err().is_over_budget());
    assert!(decode_body::<_, Picture>(&Postcard, &body(2 * LARGE_BYTES)).is_ok());
}

#[test]
fn all_pieces_count_toward_the_frame_limit() {
    let mut framing = LengthPrefixed::new(Limits::default().frame(LARGE_BYTES));
    let body = encode_body(&Postcard, &picture(LARGE_BYTES, 0)).unwrap();
    let mut out = BytesMut::new();
    assert!(framing.encode_head(&frame(body), &mut out).is_err());
    assert!(out.is_empty());
}

thread_local! {
    static INNER: RefCell<Option<Body>> = const { RefCell::new(None) };
}

/// Encodes and decodes another value while it is encoded and decoded.
#[derive(Debug, PartialEq)]
struct Nesting(Picture);

impl Serialize for Nesting {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let inner = encode_body(&Postcard, &picture(2 * LARGE_BYTES, 0)).map_err(S::Error::custom)?;
        assert_eq!(inner.pieces().len(), 3);
        assert_eq!(inner.as_bytes(), encoded(&Postcard, &picture(2 * LARGE_BYTES, 0)));
        // `encode` does not share and writes to a separate buffer.
        assert_eq!(encoded(&Postcard, &self.0), encoded(&Postcard, &self.0.plain()));
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Nesting {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let inner = encode_body(&Postcard, &picture(LARGE_BYTES, 20_000)).unwrap();
        let other: Picture = decode_body(&Postcard, &inner).unwrap();
        assert!(is_within(&other.pixels, inner.as_bytes()) && is_within(&other.mask, inner.as_bytes()));
        let small = Body::from(encoded(&Postcard, &picture(10, 0)));
        assert_eq!(decode_body::<_, Picture>(&Postcard, &small).unwrap(), picture(10, 0));
        INNER.set(Some(inner));
        Picture::deserialize(deserializer).map(Self)
    }
}

#[test]
fn nested_encoding_and_decoding_do_not_interfere() {
    for _ in 0..3 {
        let value = Nesting(picture(LARGE_BYTES, LARGE_BYTES));
        let body = encode_body(&Postcard, &value).unwrap();
        assert_eq!(body.pieces()[1].as_ptr(), value.0.pixels.as_ptr());
        let back: Nesting = decode_body(&Postcard, &body).unwrap();
        assert!(is_within(&back.0.pixels, body.as_bytes()) && is_within(&back.0.mask, body.as_bytes()));
        assert!(!is_within(&back.0.pixels, INNER.take().unwrap().as_bytes()));
        assert_eq!(back, value);
    }
}

/// Fails after its bytes are encoded.
struct FailsLate<'a>(&'a Picture, fn() -> String);

impl Serialize for FailsLate<'_> {
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
        panic!("in a type")
    }
}

/// Fails before anything is encoded.
struct FailsEarly(fn() -> CodecError);

impl serde::Serialize for FailsEarly {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(S::Error::custom((self.0)()))
    }
}

#[test]
fn errors_and_panics_leave_no_bytes_in_the_thread() {
    let value = picture(LARGE_BYTES, 0);
    let is_unshared = |bytes: &Bytes| bytes.is_unique();
    assert!(encode_body(&Postcard, &FailsLate(&value, || "no".into())).is_err());
    assert!(is_unshared(&value.pixels));
    let panics = FailsLate(&value, || panic!("in a type"));
    assert!(catch_unwind(AssertUnwindSafe(|| encode_body(&Postcard, &panics))).is_err());
    assert!(is_unshared(&value.pixels));
    assert!(encode_body(&Postcard, &FailsEarly(|| CodecError::new("no"))).is_err());
    // Published, and taken by no writer.
    encoded(&Postcard, &value);
    encode_body(&Json, &value).unwrap();
    assert!(is_unshared(&value.pixels));

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

/// Codec that does not support pieces and modifies the output of another codec.
#[derive(Clone)]
struct Inverted;

impl Codec for Inverted {
    const ID: &'static str = "inverted";
    type Framing = LengthPrefixed;

    fn encode<T: Serialize + ?Sized>(&self, value: &T, out: &mut BytesMut) -> Result<(), CodecError> {
        let start = out.len();
        Postcard.encode(value, out)?;
        out[start..].iter_mut().for_each(|byte| *byte = !*byte);
        Ok(())
    }

    fn decode<'de, T: Deserialize<'de>>(&self, bytes: &'de [u8]) -> Result<T, CodecError> {
        // A separate buffer, which must live as long as `'de`.
        let inverted: Vec<u8> = bytes.iter().map(|byte| !byte).collect();
        let inverted: &'de [u8] = Vec::leak(inverted);
        Postcard.decode(inverted)
    }

    fn framing(&self, limits: Limits) -> LengthPrefixed {
        LengthPrefixed::new(limits)
    }
}

#[test]
fn a_codec_without_support_for_pieces_copies() {
    let value = picture(LARGE_BYTES, 20_000);
    let body = encode_body(&Inverted, &value).unwrap();
    assert_eq!(body.pieces().len(), 1);
    assert!(body.as_bytes().iter().map(|byte| !byte).eq(encoded(&Postcard, &value)));
    assert_eq!(decode_body::<_, Picture>(&Inverted, &body).unwrap(), value);
}
