//! Bytes as a stream of frames: they come all at once and in pieces, and what was read is written and read again.

use std::io::Write;

use bytes::{BufMut, BytesMut};
use flate2::Compression;
use flate2::write::ZlibEncoder;
use isolated_workers::codec::{Codec, Compressed, Framing};
use isolated_workers::protocol::{Frame, Limits};
use tokio_util::codec::{Decoder, Encoder};

/// The first byte is the size of the pieces.
pub fn check<C: Codec>(codec: &C, data: &[u8]) {
    let Some((piece, stream)) = data.split_first() else { return };
    let whole = read(&mut codec.framing(Limits::default()), stream, stream.len().max(1));
    let pieces = read(&mut codec.framing(Limits::default()), stream, usize::from(*piece).max(1));
    assert_eq!(format!("{whole:?}"), format!("{pieces:?}"), "it depends on how the bytes come");
    for frame in &whole.0 {
        again(codec, frame);
    }
}

/// As [`check`], of frames that are compressed where the first bit of the first byte is set: no mutation finds its way
/// through the checksum of a zlib stream.
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
    encoder.write_all(bytes).expect("memory takes any bytes");
    encoder.finish().expect("memory takes any bytes")
}

/// The frames of a stream, and whether it ended in an error, of which the text may tell a size that depends on the pieces.
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

/// A frame that was read can be written, and is read as the same one; but one that is never sent.
fn again<C: Codec>(codec: &C, frame: &Frame) {
    if matches!(frame, Frame::Unmarked { .. }) {
        return;
    }
    let mut wire = BytesMut::new();
    // What grows by being written anew, as text does by its escapes, may be too large then.
    if codec.framing(Limits::default()).encode(frame, &mut wire).is_err() {
        return;
    }
    let back = codec.framing(Limits::default()).decode(&mut wire);
    let back = back.expect("a frame that was written is understood").expect("and whole");
    assert!(wire.is_empty());
    assert_eq!(back.id(), frame.id());
    assert_eq!(back.body(), frame.body());
    let count = |frame: &Frame| frame.metadata().map(|metadata| (metadata.len(), metadata.bytes()));
    assert_eq!(count(&back), count(frame));
    if let (Frame::Error { error, .. }, Frame::Error { error: other, .. }) = (&back, frame) {
        assert_eq!(error, other);
    }
}
