//! Values of every type arrive unchanged.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use isolated_workers::codec::{Json, Postcard};
use isolated_workers::service::Local;
use isolated_workers::{CallError, ErrorKind, Service};

use crate::everywhere;
use crate::services::shapes::{
    DivideError, Gone, Metres, NotFound, Origin, Point, Scene, Shape, Shapes, ShapesClient, Solid, Tree,
    Wrapper,
};

everywhere!(
    ShapesClient,
    "shapes",
    Solid::default().into_service(),
    [
        nothing_and_many,
        numbers,
        text,
        structs_and_enums,
        containers,
        attributes,
        errors,
        an_error_without_fields,
        oneway
    ]
);

async fn nothing_and_many<S: Service>(shapes: ShapesClient<S>) {
    let () = shapes.nothing().await.unwrap();
    let () = shapes.unit(()).await.unwrap();
    assert_eq!(shapes.answer().await.unwrap(), 42);
    let (b, f) = ("b".to_owned(), vec![6; 6]);
    let ten = shapes
        .many(1, b.clone(), true, 'd', 0.5, f.clone(), Some(-7), (8, 88), Point { x: 9, y: -9 }, Shape::Empty)
        .await
        .unwrap();
    assert_eq!(ten, (1, b, true, 'd', 0.5, f, Some(-7), (8, 88), Point { x: 9, y: -9 }, Shape::Empty));
}

async fn numbers<S: Service>(shapes: ShapesClient<S>) {
    assert!(!shapes.flag(true).await.unwrap());
    assert!(shapes.flag(false).await.unwrap());

    let least = (i8::MIN, i16::MIN, i32::MIN, i64::MIN, i128::MIN);
    let most = (i8::MAX, i16::MAX, i32::MAX, i64::MAX, i128::MAX);
    for (a, b, c, d, e) in [least, most, (-1, -1, -1, -1, -1), (0, 0, 0, 0, 0)] {
        assert_eq!(shapes.signed(a, b, c, d, e).await.unwrap(), (a, b, c, d, e));
    }
    let most = (u8::MAX, u16::MAX, u32::MAX, u64::MAX, u128::MAX);
    // Not exact as `f64`.
    let odd = (1, 1, (1 << 31) + 1, (1 << 63) + 1, (1 << 127) + 1);
    for (a, b, c, d, e) in [most, odd, (0, 0, 0, 0, 0)] {
        assert_eq!(shapes.unsigned(a, b, c, d, e).await.unwrap(), (a, b, c, d, e));
    }
    for (a, b) in [(isize::MIN, usize::MAX), (isize::MAX, 0)] {
        assert_eq!(shapes.sized(a, b).await.unwrap(), (a, b));
    }

    let subnormal = f32::from_bits(1);
    for value in [0.0, -0.0, 0.1, 1.0 / 3.0, f32::MIN, f32::MAX, f32::MIN_POSITIVE, f32::EPSILON, subnormal] {
        assert_eq!(shapes.single(value).await.unwrap().to_bits(), value.to_bits(), "{value:e}");
    }
    let subnormal = f64::from_bits(1);
    // The last two are known from bugs in parsers.
    for value in [
        0.0,
        -0.0,
        0.1,
        1.0 / 3.0,
        f64::MIN,
        f64::MAX,
        f64::MIN_POSITIVE,
        f64::EPSILON,
        subnormal,
        2.225_073_858_507_201e-308,
        9_007_199_254_740_993.0,
    ] {
        assert_eq!(shapes.double(value).await.unwrap().to_bits(), value.to_bits(), "{value:e}");
    }
    for value in [Duration::ZERO, Duration::MAX, Duration::new(1, 999_999_999)] {
        assert_eq!(shapes.duration(value).await.unwrap(), value);
    }
}

async fn text<S: Service>(shapes: ShapesClient<S>) {
    for value in ['a', '\0', '"', '\\', '\n', 'ß', '漢', '🦀', '\u{d7ff}', '\u{e000}', '\u{2028}', char::MAX]
    {
        assert_eq!(shapes.letter(value).await.unwrap(), value);
    }
    let controls: String = (0..0x20).chain(0x7f..0xa0).filter_map(char::from_u32).collect();
    for value in [
        "",
        &controls,
        "\"quoted\" and \\escaped\\, 'too'",
        "\r\n\t\u{8}\u{c}\u{1b}[0m",
        "\\u0000 \\n \\\" \\\\",
        "\u{feff}\u{2028}\u{2029}\u{200d}",
        "naïve e\u{301} ß 漢字 🦀 👩\u{200d}👩\u{200d}👧 \u{fffd} \u{10ffff}",
        r#"{"kind":"go_away"}"#,
        "</script>\n{\"tx\":\"1\"}\n",
        &"long ".repeat(50_000),
    ] {
        assert_eq!(shapes.text(value.to_owned()).await.unwrap(), value);
    }
    assert_eq!(shapes.upper("grün".into()).await.unwrap(), "GRÜN");
}

async fn structs_and_enums<S: Service>(shapes: ShapesClient<S>) {
    assert_eq!(shapes.mirror(Point { x: -1, y: 2 }).await.unwrap(), Point { x: 2, y: -1 });
    assert_eq!(shapes.metres(Metres(3)).await.unwrap(), Metres(3));
    assert_eq!(shapes.origin(Origin).await.unwrap(), Origin);

    let point = |x| Point { x, y: i32::MAX };
    let every_shape = || {
        [
            Shape::Empty,
            Shape::Dot(point(1)),
            Shape::Circle(point(2), u32::MAX),
            Shape::Rectangle { from: point(3), to: point(4) },
        ]
    };
    for shape in every_shape() {
        assert_eq!(shapes.shape(shape.clone()).await.unwrap(), shape);
    }
    let mut scene = Scene::Many(every_shape().map(Scene::One).into());
    for depth in 0..20 {
        let named = Scene::Named { name: depth.to_string(), shape: (depth % 2 == 0).then_some(Shape::Empty) };
        scene = Scene::Many(vec![Scene::Nothing, scene, named, Scene::Many(Vec::new())]);
    }
    assert_eq!(shapes.scene(scene.clone()).await.unwrap(), scene);

    let leaf = |value| Tree { value, children: Vec::new(), last: None };
    let tree = Tree { value: 1, children: vec![leaf(2), leaf(3)], last: Some(Box::new(leaf(4))) };
    assert_eq!(*shapes.boxed(Box::new(tree.clone())).await.unwrap(), tree);
    assert_eq!(
        shapes.wrapped(Wrapper { inner: Wrapper { inner: Some("äöü".into()) } }).await.unwrap(),
        Wrapper { inner: vec![Wrapper { inner: () }; 3] }
    );
}

async fn containers<S: Service>(shapes: ShapesClient<S>) {
    assert_eq!(shapes.pair((1, ("two".into(), true))).await.unwrap(), (("two".into(), true), 1));
    assert_eq!(shapes.array([1, 2, 3, 4]).await.unwrap(), [4, 3, 2, 1]);
    for value in [None, Some(0), Some(u32::MAX)] {
        assert_eq!(shapes.maybe(value).await.unwrap(), value);
    }
    for value in [None, Some(Some(0))] {
        assert_eq!(shapes.maybe_maybe(value).await.unwrap(), value);
    }
    let points: Vec<_> = (0..1000).map(|x| Point { x, y: -x }).collect();
    assert_eq!(shapes.list(points.clone()).await.unwrap(), points);
    assert_eq!(shapes.list(Vec::new()).await.unwrap(), []);
    let bytes: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    assert_eq!(shapes.bytes(bytes.clone()).await.unwrap(), bytes);

    let sorted: BTreeMap<_, _> = ["", "\"", "key", "schlüssel"]
        .iter()
        .zip(&points)
        .map(|(key, point)| (key.to_string(), point.clone()))
        .collect();
    assert_eq!(shapes.sorted(sorted.clone()).await.unwrap(), sorted);
    let hashed: HashMap<_, _> =
        [0, 1, u64::MAX].map(|key| (key, vec![key.to_string(); usize::from(key != 0)])).into();
    assert_eq!(shapes.hashed(hashed.clone()).await.unwrap(), hashed);

    assert!(!shapes.failed(Ok(1)).await.unwrap());
    assert!(shapes.failed(Err("no".into())).await.unwrap());
}

async fn attributes<S: Service>(shapes: ShapesClient<S>) {
    assert_eq!(shapes.from_hex(vec![0, 0x0f, 0xff]).await.unwrap(), [0, 0x0f, 0xff]);
    assert_eq!(shapes.repeat("ab".into(), 3).await.unwrap(), "ababab");
    assert_eq!(shapes.oddly_named(1).await.unwrap(), 2);
    assert_eq!(shapes.oddly_named(255).await.unwrap_err().service().unwrap(), "too much");
}

async fn errors<S: Service>(shapes: ShapesClient<S>) {
    assert_eq!(shapes.divide(7, 3).await.unwrap(), 2);
    let failed = async |a, b| shapes.divide(a, b).await.unwrap_err().service();
    assert_eq!(failed(1, 0).await, Some(DivideError::ByZero));
    assert_eq!(failed(i64::MIN, -1).await, Some(DivideError::Overflow { of: i64::MIN }));
    assert_eq!(failed(3, 2).await, Some(DivideError::Odd(3, "\"it\" is".into())));

    let missing = NotFound { name: "x".into(), nearest: Some("xs".into()) };
    assert_eq!(shapes.find("x".into()).await.unwrap_err().service(), Some(missing));
    assert_eq!(shapes.parse("-17".into()).await.unwrap(), -17);
    let error = shapes.parse("seventeen".into()).await.unwrap_err();
    assert_eq!(error.to_string(), "invalid digit found in string");

    assert_eq!(shapes.twice(false, false).await.unwrap(), Ok(1));
    assert_eq!(shapes.twice(true, false).await.unwrap(), Err("inner".into()));
}

async fn an_error_without_fields<S: Service>(shapes: ShapesClient<S>) {
    let () = shapes.depart(false).await.unwrap();
    let error = shapes.depart(true).await.unwrap_err();
    assert!(matches!(error, CallError::Service(Gone)), "{error:?}");
    let error = shapes.twice(true, true).await.unwrap_err();
    assert!(matches!(error, CallError::Service(Gone)), "{error:?}");
}

async fn oneway<S: Service>(shapes: ShapesClient<S>) {
    let () = shapes.note("first".into()).await.unwrap();
    let () = shapes.mark().await.unwrap();
    let () = shapes.note("third".into()).await.unwrap();
    let mut notes = shapes.notes(3).await.unwrap();
    notes.sort();
    assert_eq!(notes, ["first", "mark", "third"]);
}

#[tokio::test]
async fn postcard_preserves_non_finite_floats_and_nested_options() {
    let shapes = ShapesClient::new(crate::worker("shapes", Postcard).await);
    let signalling = 0x7ff0_dead_beef_0001;
    for bits in [f64::INFINITY.to_bits(), f64::NEG_INFINITY.to_bits(), f64::NAN.to_bits(), signalling] {
        assert_eq!(shapes.double(f64::from_bits(bits)).await.unwrap().to_bits(), bits);
    }
    for bits in [f32::NEG_INFINITY.to_bits(), 0xffc0_1234] {
        assert_eq!(shapes.single(f32::from_bits(bits)).await.unwrap().to_bits(), bits);
    }
    assert_eq!(shapes.maybe_maybe(Some(None)).await.unwrap(), Some(None));
}

#[tokio::test]
async fn json_refuses_non_finite_floats_and_flattens_nested_options() {
    let shapes = ShapesClient::new(crate::worker("shapes", Json).await);
    for value in [f64::NAN, f64::INFINITY] {
        assert_eq!(shapes.double(value).await.unwrap_err().kind(), ErrorKind::Decode);
    }
    // JSON writes both `Some(None)` and `None` as `null`.
    assert_eq!(shapes.maybe_maybe(Some(None)).await.unwrap(), None);
    // An older client does not send the argument with `#[serde(default)]`.
    let local = Local::new(Solid::default().into_service(), Json);
    let request =
        isolated_workers::protocol::Request::new("repeat".into(), br#"{"type":"ab"}"#.to_vec().into());
    assert_eq!(local.call(request).await.unwrap().body().as_bytes(), b"\"\"");
}

#[test]
fn a_byte_vector_is_bytes_in_binary_codecs_and_base64_in_json() {
    use isolated_workers::codec::{Cbor, Codec};

    use crate::services::shapes::shapes::Bytes;

    fn check<C: Codec>(codec: C, form: &[u8]) {
        let mut out = bytes::BytesMut::new();
        codec.encode(&Bytes { value: vec![1, 200] }, &mut out).unwrap();
        assert_eq!(out, form);
        assert_eq!(codec.decode::<Bytes>(form).unwrap().value, [1, 200]);
    }
    check(Json, b"{\"value\":\"Acg=\"}");
    check(Postcard, &[2, 1, 200]);
    check(Cbor, b"\xa1\x65value\x42\x01\xc8");
    // Some peers send an array instead.
    let array = Json.decode::<Bytes>(b"{\"value\":[1,200]}").unwrap();
    assert_eq!(array.value, [1, 200]);
    let array = Cbor.decode::<Bytes>(b"\xa1\x65value\x82\x01\x18\xc8").unwrap();
    assert_eq!(array.value, [1, 200]);
}
