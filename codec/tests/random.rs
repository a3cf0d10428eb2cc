//! Random values and frames round-trip. `PROPTEST_CASES` sets the number of cases. Default: 1,000.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

use bytes::BytesMut;
use isolated_workers_codec::{Cbor, Codec, Compressed, Json, Postcard, decode_within};
use isolated_workers_core::{Body, Budget, Frame, GoAway, Limits, Metadata, RemoteError, TxId};
use proptest::collection::{btree_map, vec};
use proptest::num::f32;
use proptest::option;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio_util::codec::{Decoder, Encoder};

fn config() -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(1000);
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Tree {
    Leaf,
    Number(i64),
    Wide(u128),
    Float(f64),
    Short(f32),
    Sign(char),
    Text(String),
    Bytes(#[serde(with = "serde_bytes")] Vec<u8>),
    Pair(Box<Tree>, Option<Box<Tree>>),
    Many(Vec<Tree>),
    Named { map: BTreeMap<String, Tree>, numbers: BTreeMap<i16, bool> },
}

/// Any finite number, by its bits.
fn float() -> impl Strategy<Value = f64> {
    any::<u64>()
        .prop_map(f64::from_bits)
        .prop_filter("JSON has only finite numbers", |float| float.is_finite())
}

fn tree() -> impl Strategy<Value = Tree> {
    let short = f32::NORMAL | f32::SUBNORMAL | f32::ZERO | f32::NEGATIVE | f32::POSITIVE;
    let leaf = prop_oneof![
        Just(Tree::Leaf),
        any::<i64>().prop_map(Tree::Number),
        any::<u128>().prop_map(Tree::Wide),
        float().prop_map(Tree::Float),
        short.prop_map(Tree::Short),
        any::<char>().prop_map(Tree::Sign),
        any::<String>().prop_map(Tree::Text),
        vec(any::<u8>(), 0..40).prop_map(Tree::Bytes),
    ];
    leaf.prop_recursive(5, 24, 4, |tree| {
        let numbers = btree_map(any::<i16>(), any::<bool>(), 0..4);
        prop_oneof![
            (tree.clone(), option::of(tree.clone()))
                .prop_map(|(left, right)| Tree::Pair(left.into(), right.map(Box::new))),
            vec(tree.clone(), 0..4).prop_map(Tree::Many),
            (btree_map(any::<String>(), tree, 0..4), numbers)
                .prop_map(|(map, numbers)| Tree::Named { map, numbers }),
        ]
    })
}

fn encoded<C: Codec>(codec: &C, value: &impl Serialize) -> BytesMut {
    let mut out = BytesMut::new();
    codec.encode(value, &mut out).unwrap();
    out
}

fn check_round_trip<C: Codec, T: Serialize + DeserializeOwned + PartialEq + Debug>(codec: &C, value: &T) {
    let back: T = decode_within(codec, &encoded(codec, value), Budget::default()).unwrap();
    assert_eq!(&back, value, "{}", C::ID);
}

#[derive(Clone, Debug)]
struct Sent {
    id: TxId,
    name: String,
    text: String,
    metadata: Metadata,
    timeout: Option<Duration>,
    oneway: bool,
    piece: usize,
}

fn sent() -> impl Strategy<Value = Sent> {
    let id = prop_oneof![
        any::<u64>().prop_map(TxId::from),
        any::<[u8; 16]>().prop_map(TxId::from),
        any::<String>().prop_map(|text| TxId::from(&*text)),
        "[0-9a-fA-F-]{0,40}".prop_map(|text| TxId::from(&*text)),
    ];
    // Sorted by key, as JSON decodes it.
    let metadata =
        btree_map(any::<String>(), any::<String>(), 0..5).prop_map(|pairs| pairs.into_iter().collect());
    // JSON has milliseconds as a floating-point number, which is exact to a nanosecond for some
    // days.
    let timeout = option::of((1..1u64 << 40).prop_map(Duration::from_micros));
    let name = "\\PC{1,20}(Result|Error)?";
    (id, name, any::<String>(), metadata, timeout, any::<bool>(), 1..50usize).prop_map(
        |(id, name, text, metadata, timeout, oneway, piece)| Sent {
            id,
            name,
            text,
            metadata,
            timeout,
            oneway,
            piece,
        },
    )
}

fn frames<C: Codec>(codec: &C, sent: &Sent) -> Vec<Frame> {
    let Sent { id, name, text, metadata, timeout, oneway, .. } = sent.clone();
    let body = || Body::from(encoded(codec, &sent.text).freeze());
    let mut error = RemoteError::new(name.clone(), text.clone());
    error.code = timeout.map(|_| text.clone());
    error.stack = oneway.then(|| text.clone());
    error.chain = metadata.iter().map(|(key, _)| key.to_owned()).collect();
    error.data = oneway.then(|| body().into_bytes());
    vec![
        Frame::request(id.clone(), name.as_str().into(), body(), metadata.clone(), oneway, timeout),
        Frame::reply(id.clone(), "".into(), body(), metadata),
        Frame::Error { id: id.clone(), name: "".into(), error: error.into() },
        Frame::Cancel { id },
        Frame::Credit { bytes: 8 << 20 },
        Frame::GoAway(GoAway::End),
    ]
}

fn check_frames<C: Codec>(codec: &C, sent: &Sent) {
    let frames = frames(codec, sent);
    let (mut wire, mut framing) = (BytesMut::new(), codec.framing(Limits::default()));
    frames.iter().for_each(|frame| framing.encode(frame, &mut wire).unwrap());
    let (mut buffer, mut received) = (BytesMut::new(), Vec::new());
    for piece in wire.chunks(sent.piece) {
        buffer.extend_from_slice(piece);
        while let Some(frame) = framing.decode(&mut buffer).unwrap() {
            received.push(frame);
        }
    }
    assert!(buffer.is_empty());
    assert_eq!(format!("{received:?}"), format!("{frames:?}"), "{}", C::ID);
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn values_round_trip(tree in tree()) {
        check_round_trip(&Json, &tree);
        check_round_trip(&Cbor, &tree);
        check_round_trip(&Postcard, &tree);
    }

    #[test]
    fn floats_round_trip_bit_for_bit(float in float()) {
        fn bits<C: Codec>(codec: &C, float: f64) -> u64 {
            codec.decode::<f64>(&encoded(codec, &float)).unwrap().to_bits()
        }
        prop_assert_eq!(bits(&Json, float), float.to_bits());
        prop_assert_eq!(bits(&Cbor, float), float.to_bits());
        prop_assert_eq!(bits(&Postcard, float), float.to_bits());
    }

    #[test]
    fn frames_round_trip(sent in sent()) {
        check_frames(&Json, &sent);
        check_frames(&Cbor, &sent);
        check_frames(&Postcard, &sent);
    }
}

/// Uses one framing for all values: creating the state of zlib is slow.
fn check_compressed<C: Codec>(codec: C) {
    let ends = || codec.framing(Limits::default());
    let (sender, receiver) = (RefCell::new(ends()), RefCell::new(ends()));
    let mut runner = TestRunner::new(config());
    let checked = runner.run(&tree(), |tree| {
        let body = encoded(&codec, &tree).freeze().into();
        let frame = Frame::reply(7.into(), "".into(), body, Metadata::new());
        let mut wire = BytesMut::new();
        sender.borrow_mut().encode(&frame, &mut wire).unwrap();
        let received = receiver.borrow_mut().decode(&mut wire).unwrap().unwrap();
        prop_assert!(wire.is_empty());
        let bytes = received.body().unwrap().as_bytes();
        prop_assert_eq!(decode_within::<_, Tree>(&codec, bytes, Budget::default()).unwrap(), tree);
        Ok(())
    });
    checked.unwrap_or_else(|error| panic!("{}: {error}", C::ID));
}

#[test]
fn values_round_trip_in_compressed_frames() {
    check_compressed(Compressed::new(Json).threshold(0));
    check_compressed(Compressed::new(Cbor).threshold(0));
    check_compressed(Compressed::new(Postcard).threshold(0));
}

proptest! {
    // Creating the state of zlib is slow.
    #![proptest_config(ProptestConfig { cases: config().cases / 10, ..config() })]

    #[test]
    fn compressed_frames_round_trip(sent in sent()) {
        check_frames(&Compressed::new(Json).threshold(0), &sent);
        check_frames(&Compressed::new(Cbor).threshold(0), &sent);
        check_frames(&Compressed::new(Postcard).threshold(0), &sent);
    }
}
