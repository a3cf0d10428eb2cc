//! The time of large messages is linear in their size. Run by hand, in release mode:
//! `cargo test --release -p isolated-workers-codec --test large -- --ignored --nocapture`

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use isolated_workers_codec::{Cbor, Codec, Compressed, Json, Postcard};
use isolated_workers_core::{Frame, Limits, Metadata};
use tokio_util::codec::{Decoder, Encoder};

/// Bytes of one read of a socket.
const READ_BYTES: usize = 64 << 10;

fn round_trip<C: Codec>(codec: &C, megabytes: usize) -> Duration {
    let text = "a text that is neither one byte nor noise: €. ".repeat(megabytes * 1_000_000 / 48);
    let mut body = BytesMut::new();
    codec.encode(&text, &mut body).unwrap();
    let body: Bytes = body.freeze();
    let frame = Frame::reply(1.into(), "".into(), body.clone().into(), Metadata::new());
    let limits = Limits::default().frame(300 << 20);
    let (mut framing, mut wire) = (codec.framing(limits), BytesMut::new());
    let began = Instant::now();
    framing.encode(&frame, &mut wire).unwrap();
    let (mut buffer, mut received) = (BytesMut::new(), None);
    for piece in wire.chunks(READ_BYTES) {
        buffer.extend_from_slice(piece);
        received = framing.decode(&mut buffer).unwrap();
    }
    let taken = began.elapsed();
    assert!(received.unwrap().body().unwrap().as_bytes() == body);
    taken
}

fn check_linear<C: Codec>(codec: C) {
    let [small, middle, large] = [50, 100, 200].map(|megabytes| round_trip(&codec, megabytes));
    println!("{}: 50 MB {small:.2?}, 100 MB {middle:.2?}, 200 MB {large:.2?}", C::ID);
    assert!(large < 12 * small, "{}: {small:?} and {large:?}", C::ID);
}

#[test]
#[ignore = "takes 1 GB of memory, and is meaningful only in release mode"]
fn a_large_message_takes_linear_time() {
    check_linear(Json);
    check_linear(Postcard);
    check_linear(Cbor);
    check_linear(Compressed::new(Json).level(1));
    check_linear(Compressed::new(Postcard).level(1));
}
