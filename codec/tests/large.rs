//! One message of 200 MB takes as much longer than one of 50 MB as it is larger. By hand, in release:
//! `cargo test --release -p isolated-workers-codec --test large -- --ignored --nocapture`

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use isolated_workers_codec::{Cbor, Codec, Compressed, Json, Postcard};
use isolated_workers_core::{Frame, Limits, Metadata};
use tokio_util::codec::{Decoder, Encoder};

/// What a read of a socket may bring.
const PIECE: usize = 64 << 10;

fn taken<C: Codec>(codec: &C, megabytes: usize) -> Duration {
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
    for piece in wire.chunks(PIECE) {
        buffer.extend_from_slice(piece);
        received = framing.decode(&mut buffer).unwrap();
    }
    let taken = began.elapsed();
    assert!(received.unwrap().body().unwrap().as_bytes() == body);
    taken
}

fn linear<C: Codec>(codec: C) {
    let [small, middle, large] = [50, 100, 200].map(|megabytes| taken(&codec, megabytes));
    println!("{}: 50 MB {small:.2?}, 100 MB {middle:.2?}, 200 MB {large:.2?}", C::ID);
    assert!(large < 12 * small, "{}: {small:?} and {large:?}", C::ID);
}

#[test]
#[ignore = "it takes a gigabyte, and its figures mean something in release only"]
fn a_large_message_takes_linear_time() {
    linear(Json);
    linear(Postcard);
    linear(Cbor);
    linear(Compressed::new(Json).level(1));
    linear(Compressed::new(Postcard).level(1));
}
