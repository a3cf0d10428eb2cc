//! Frames with false lengths, counts and compressed sizes.

use std::io::Write;

use bytes::{BufMut, Bytes, BytesMut};
use flate2::Compression;
use flate2::write::ZlibEncoder;
use isolated_workers_codec::{Codec, Compressed, FrameError, Json, Postcard};
use isolated_workers_core::{Frame, Limits};
use tokio_util::codec::Decoder;

use super::memory::measured;

const KIB: usize = 1 << 10;
const FRAME: usize = 8 << 20;

/// Memory after the first bytes of a frame, and `true` if the decoder waits for more.
fn held_after<C: Codec>(codec: C, head: &'static [u8]) -> (usize, bool) {
    measured(|| {
        let mut buffer = BytesMut::from(head);
        let waits = matches!(codec.framing(Limits::default()).decode(&mut buffer), Ok(None));
        drop(buffer);
        waits
    })
}

#[test]
fn a_false_length_holds_at_most_64_kib() {
    // Lengths of 8 MiB and of the limit.
    for head in [&[0, 0x80, 0, 0][..], &[0, 0x7f, 0xff, 0xff, 0], &[0, 0x80, 0, 0, 1, 0x78]] {
        for (held, waits) in [
            held_after(Postcard, head),
            held_after(Compressed::new(Postcard), head),
            held_after(Compressed::new(Json), head),
        ] {
            assert!(waits);
            assert!(held <= 64 * KIB + 512, "{held} bytes are held for {head:x?}");
        }
    }
}

#[test]
fn an_incomplete_frame_holds_at_most_three_times_its_bytes() {
    let sent = 1_000_000;
    for codec in [0, 1] {
        let (peak, ()) = measured(|| {
            let mut buffer = BytesMut::from(&[0, 0x80, 0, 0][..]);
            let (mut plain, mut compressed) =
                (Postcard.framing(Limits::default()), Compressed::new(Postcard).framing(Limits::default()));
            for _ in 0..sent / 1000 {
                buffer.extend_from_slice(&[0; 1000]);
                let waits =
                    if codec == 0 { plain.decode(&mut buffer) } else { compressed.decode(&mut buffer) };
                assert!(matches!(waits, Ok(None)));
            }
        });
        // While the buffer grows, the previous buffer also exists.
        assert!(peak <= 3 * sent + 256 * KIB, "{peak} bytes are held");
    }
}

/// A frame with its length prefix.
fn framed(inside: &[u8]) -> BytesMut {
    let mut wire = BytesMut::new();
    wire.put_u32(inside.len() as u32);
    wire.put_slice(inside);
    wire
}

fn refused<C: Codec>(codec: &C, mut wire: BytesMut, max_bytes: usize) -> String {
    let (peak, result) = measured(|| codec.framing(Limits::default()).decode(&mut wire).map(|_| ()));
    assert!(peak <= max_bytes, "{peak} bytes for a refused frame");
    result.unwrap_err().to_string()
}

#[test]
fn false_lengths_and_counts_in_a_frame_take_no_memory() {
    let huge = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
    let insides: [&[&[u8]]; 8] = [
        &[&[0x00, 2], &huge],                // an id of text
        &[&[0x00, 0, 7], &huge],             // the name
        &[&[0x20, 0, 7, 0], &huge],          // the number of metadata keys
        &[&[0x20, 0, 7, 0, 1], &huge],       // a key
        &[&[0x20, 0, 7, 0, 1, 0], &huge],    // its value
        &[&[0x03, 0, 7, 0], &huge],          // the name of an error
        &[&[0x03, 0, 7, 0, 0, 0], &huge],    // the number of causes
        &[&[0x03, 0, 7, 0, 0, 0, 1], &huge], // a cause
    ];
    for inside in insides {
        let error = refused(&Postcard, framed(&inside.concat()), KIB);
        assert!(error.contains("it ends within its header"), "{error}");
    }
    for wrong in
        [&[][..], &[0x08], &[0x0f, 0, 7], &[0, 3], &[0, 0], &[4, 0, 7, 9], &[5, 9], &[3, 0, 7, 0, 0, 0, 0, 9]]
    {
        refused(&Postcard, framed(wrong), KIB);
    }
    let unterminated = [&[0x00, 0][..], &[0x80; 11]].concat();
    assert!(refused(&Postcard, framed(&unterminated), KIB).contains("unterminated number"));
}

#[test]
fn frames_of_many_short_texts_are_refused() {
    // A million causes of one byte each.
    let causes = [&[0x03, 0, 7, 0, 0, 0, 0x80, 0x80, 0x40][..], &[0; 1 << 20]].concat();
    assert!(refused(&Postcard, framed(&causes), KIB).contains("the limit of 256"));
    let keys = [&[0x20, 0, 7, 0, 0x80, 0x80, 0x40][..], &[0; 2 << 20]].concat();
    assert!(refused(&Postcard, framed(&keys), KIB).contains("the limit of 256"));
}

#[test]
fn a_payload_in_a_decompressed_frame_keeps_no_more_than_eight_times_its_size() {
    const PAYLOAD: usize = 2000;
    const ITEMS: usize = 200;
    let line = format!(
        "{{\"kind\":\"item\",\"tx\":\"1\",\"payload\":\"{}\",\"ignored\":\"{}\"}}\n",
        "x".repeat(PAYLOAD),
        "y".repeat(200_000)
    );
    let mut compressed = ZlibEncoder::new(vec![1], Compression::best());
    compressed.write_all(line.as_bytes()).unwrap();
    let frame = framed(&compressed.finish().unwrap());
    let mut framing = Compressed::new(Json).framing(Limits::default());
    let (peak, items) = measured(|| {
        let item = |_| framing.decode(&mut frame.clone()).unwrap().unwrap();
        (0..ITEMS).map(item).collect::<Vec<_>>()
    });
    assert!(items.iter().all(|frame| frame.body().unwrap().len() == PAYLOAD + 2));
    // Two frames while one is decompressed into a buffer that grows.
    assert!(peak <= 8 * ITEMS * PAYLOAD + 4 * line.len(), "{peak} bytes for {ITEMS} items");
}

/// A line of 8 MiB: `head`, repeated `part`s and `tail`.
fn line(head: &str, part: impl Fn(usize) -> String, tail: &str) -> BytesMut {
    let mut line = String::from(head);
    for number in 0.. {
        let part = part(number);
        if line.len() + part.len() + tail.len() + 2 > FRAME {
            break;
        }
        if number > 0 {
            line.push(',');
        }
        line.push_str(&part);
    }
    BytesMut::from(format!("{line}{tail}\n").as_str())
}

#[test]
fn a_json_line_of_many_keys_or_causes_takes_no_more_than_its_size() {
    let meta = line(r#"{"type":"a","tx":"7","meta":{"#, |number| format!(r#""{number:x}":"""#), "}}");
    assert!(refused(&Json, meta, FRAME).contains("the limit of 256"));
    let same = line(r#"{"type":"a","tx":"7","meta":{"#, |_| r#""":"""#.to_owned(), "}}");
    assert!(refused(&Json, same, FRAME).contains("the limit of 256"));

    for kind in ["\"kind\":\"error\",", ""] {
        let head = format!(r#"{{"type":"aError","tx":"7",{kind}"payload":{{"chain":["#);
        let mut causes = line(&head, |_| r#""""#.to_owned(), "]}}");
        let (peak, frame) = measured(|| Json.framing(Limits::default()).decode(&mut causes));
        assert!(peak <= FRAME, "{peak} bytes");
        let frame = frame.unwrap().unwrap();
        let (Frame::Error { error, .. }, _) = parts(&frame) else { panic!("{frame:?}") };
        assert_eq!(error.chain.len(), 256);
    }
}

fn parts(frame: &Frame) -> (&Frame, &Frame) {
    match frame {
        Frame::Unmarked { answer, request } => (answer, request),
        other => (other, other),
    }
}

#[test]
fn a_json_line_takes_at_most_three_times_its_size() {
    let texts = "\\u20ac".repeat(FRAME / 6 - 20);
    for (head, tail) in [
        (r#"{"type":""#, r#"","tx":"7"}"#),
        (r#"{"type":"a","tx":""#, r#""}"#),
        (r#"{"type":"aError","tx":"7","payload":""#, r#""}"#),
        (r#"{"type":"aError","tx":"7","payload":{"message":""#, r#""}}"#),
        (r#"{"type":"aError","tx":"7","payload":{"chain":[""#, r#""]}}"#),
        (r#"{"type":"a","tx":"7","unknown":""#, r#""}"#),
    ] {
        let mut wire = BytesMut::from(format!("{head}{texts}{tail}\n").as_str());
        let (peak, frame) = measured(|| Json.framing(Limits::default()).decode(&mut wire));
        assert!(frame.unwrap().is_some());
        assert!(peak <= 3 * FRAME, "{peak} bytes for {head}");
    }
}

#[test]
fn deeply_nested_json_is_ignored_or_refused() {
    let deep = ["[".repeat(1 << 20), "]".repeat(1 << 20)].concat();
    for (head, tail) in [
        (r#"{"type":"a","tx":"7","payload":"#, "}"),
        (r#"{"type":"a","tx":"7","unknown":"#, "}"),
        (r#"{"type":"aError","tx":"7","payload":{"data":"#, "}}"),
        (r#"{"type":"aError","tx":"7","payload":{"unknown":"#, "}}"),
        (r#"{"type":"aError","tx":"7","payload":{"chain":"#, "}}"),
        (r#"{"type":"a","tx":"#, "}"),
        (r#"{"type":"a","tx":"7","meta":"#, "}"),
    ] {
        let mut wire = BytesMut::from(format!("{head}{deep}{tail}\n").as_str());
        let (peak, _) = measured(|| Json.framing(Limits::default()).decode(&mut wire).map(|_| ()));
        assert!(peak <= 2 * FRAME, "{peak} bytes for {head}");
    }
}

fn zlib(bytes: impl IntoIterator<Item = Bytes>) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    bytes.into_iter().for_each(|bytes| encoder.write_all(&bytes).unwrap());
    encoder.finish().unwrap()
}

fn flagged_as_compressed(compressed: &[u8]) -> BytesMut {
    framed(&[&[1], compressed].concat())
}

#[test]
fn a_zip_bomb_takes_at_most_three_times_the_cap() {
    let zeros = Bytes::from(vec![0; 1 << 20]);
    let bomb = zlib(std::iter::repeat_n(zeros, 256));
    let refused = refused(
        &Compressed::new(Postcard).ratio(usize::MAX),
        flagged_as_compressed(&bomb),
        3 * FRAME + 64 * KIB,
    );
    assert!(refused.contains("Limits::frame"), "{refused}");
    // A nested bomb: the inner framing of `Compressed<Postcard>` does not decompress.
    let twice = zlib([Bytes::from(flagged_as_compressed(&bomb).to_vec())]);
    let mut wire = flagged_as_compressed(&twice);
    assert!(Compressed::new(Postcard).framing(Limits::default()).decode(&mut wire).is_err());
    let mut wire = flagged_as_compressed(&twice);
    let codec = Compressed::new(Compressed::new(Postcard));
    let (peak, result) = measured(|| codec.framing(Limits::default()).decode(&mut wire).map(|_| ()));
    assert!(matches!(result, Err(FrameError::TooLarge { .. })), "{result:?}");
    assert!(peak <= 3 * FRAME + 1024 * KIB, "{peak} bytes");
}

#[test]
fn invalid_zlib_streams_are_refused() {
    let good = zlib([Bytes::from_static(&[0, 0, 0, 1, 5])]);
    for wrong in
        [&good[..good.len() - 1], &[&good[..], b"?"].concat(), &[], &[0x78], &[0xff; 100], b"not zlib"]
    {
        refused(&Compressed::new(Postcard), flagged_as_compressed(wrong), 128 * KIB);
    }
    let mut wire = flagged_as_compressed(&good);
    assert!(matches!(
        Compressed::new(Postcard).framing(Limits::default()).decode(&mut wire),
        Ok(Some(Frame::Ping))
    ));
}
