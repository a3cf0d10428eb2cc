//! Arbitrary bytes as a stream of frames. They arrive at once and in pieces, and each decoded frame
//! is encoded and decoded again.

use std::io::Write;

use bytes::{BufMut, BytesMut};
use flate2::Compression;
use flate2::write::ZlibEncoder;
use isolated_workers::codec::{Codec, Compressed, Framing};
use isolated_workers::protocol::{Frame, Limits};
use tokio_util::codec::{Decoder, Encoder};

/// Checks a stream. The first byte is the size of the pieces.
pub fn check<C: Codec>(codec: &C, data: &[u8]) {
    let Some((piece, stream)) = data.split_first() else { return };
    let whole = read(&mut codec.framing(Limits::default()), stream, stream.len().max(1));
    let pieces = read(&mut codec.framing(Limits::default()), stream, usize::from(*piece).max(1));
    assert_eq!(format!("{whole:?}"), format!("{pieces:?}"), "the frames depend on the size of the pieces");
    for frame in &whole.0 {
        check_round_trip(codec, frame);
    }
}

/// Checks a stream of compressed frames. If the lowest bit of the first byte is set, the rest is
/// compressed first: no mutation gets past the checksum of a zlib stream.
pub fn check_compressed<C: Codec>(codec: C, data: &[u8]) {
    let codec = Compressed::new(codec).threshold(0);
    match data.split_first() {
        Some((&first, inside)) if first & 1 == 1 => {
            let mut stream = BytesMut::from(&[first][..]);
            let compressed = zlib(inside);
            stream.put_u32(compressed.len() as u32 + 1);
            stream.put_u8(1);
            stream.put_slice(&compressed);
            check(&codec, &stream);
        }
        _ => check(&codec, data),
    }
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("writing to memory succeeds");
    encoder.finish().expect("writing to memory succeeds")
}

/// Returns the frames of a stream, and `true` if it ended in an error. The text of the error may
/// contain a size that depends on the pieces.
fn read<F: Framing>(framing: &mut F, stream: &[u8], piece: usize) -> (Vec<Frame>, bool) {
    let (mut buffer, mut frames) = (BytesMut::new(), Vec::new());
    for piece in stream.chunks(piece) {
        buffer.extend_from_slice(piece);
        loop {
            match framing.decode(&mut buffer) {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(_) => return (frames, true),
            }
        }
    }
    let failed = framing.decode_eof(&mut buffer).is_err();
    (frames, failed)
}

/// Checks that a decoded frame can be encoded, and decodes to the same frame. Skips `Unmarked`,
/// which is never sent.
fn check_round_trip<C: Codec>(codec: &C, frame: &Frame) {
    if matches!(frame, Frame::Unmarked { .. }) {
        return;
    }
    let mut wire = BytesMut::new();
    // A frame may grow when it is encoded again, for instance by escapes in text, and then be too
    // large.
    if codec.framing(Limits::default()).encode(frame, &mut wire).is_err() {
        return;
    }
    let back = codec.framing(Limits::default()).decode(&mut wire);
    let back = back.expect("an encoded frame decodes").expect("an encoded frame is complete");
    assert!(wire.is_empty());
    assert_eq!(back.id(), frame.id());
    assert_eq!(back.body(), frame.body());
    let count = |frame: &Frame| frame.metadata().map(|metadata| (metadata.len(), metadata.bytes()));
    assert_eq!(count(&back), count(frame));
    if let (Frame::Error { error, .. }, Frame::Error { error: other, .. }) = (&back, frame) {
        assert_eq!(error, other);
    }
}
