//! Writes the seeds of all targets: the example frames of docs/wire.md, and a value of each type in
//! each codec.

#[path = "../../../codec/tests/golden/page.rs"]
mod page;

use std::path::Path;
use std::{fs, io};

use bytes::BytesMut;
use isolated_workers::codec::{Cbor, Codec, Json, Postcard};
use isolated_workers_fuzz::values::{All, Endless, Shape, TYPES};
use serde_json::json;

/// Size of the pieces of a stream. It is even, so that the frames are not compressed.
const PIECE_BYTES: u8 = 6;

/// A policy with every kind of line.
const SANDBOX_POLICY: &str = "isolated-workers-sandbox 1\nprotect file-read\nprotect kernel-surface\npartly \
new-code\nlandlock 6\nmemory 536870912\ncpu-time 60\nopen-files 256\nfile-size 0\nread /usr/share/a%20b\nwrite \
/tmp/%ff\nexecute /bin/sh\nload /lib64/ld-linux-x86-64.so.2\nlaunched\nkill-on-violation";

fn main() -> io::Result<()> {
    let [json, binary] = page::frames();
    for (name, frame) in &json {
        put("json_lines", name, &[&[PIECE_BYTES], &frame[..]].concat())?;
        put("compressed_json", name, &[&[PIECE_BYTES + 1], &frame[..]].concat())?;
        put("connection", &format!("json-{name}"), &script(10, frame))?;
    }
    for (name, frame) in &binary {
        put("length_prefixed", name, &[&[PIECE_BYTES], &frame[..]].concat())?;
        put("compressed_postcard", name, &[&[PIECE_BYTES + 1], &frame[..]].concat())?;
        put("connection", &format!("binary-{name}"), &script(11, &frame[4..]))?;
    }
    for inner in ["json", "postcard"] {
        for (name, frame) in &page::binary(&format!("compressed-{inner}")) {
            // An odd size would compress the frame once more.
            put(
                &format!("compressed_{inner}"),
                &format!("golden-{name}"),
                &[&[PIECE_BYTES], &frame[..]].concat(),
            )?;
        }
    }
    for (name, line) in page::blocks("json", "hello") {
        put("handshake", &name, line.as_bytes())?;
    }
    put("sandbox_policy", "all", SANDBOX_POLICY.as_bytes())?;
    values(&Json, 0)?;
    values(&Postcard, 1)?;
    values(&Cbor, 2)
}

/// Returns a script: a call, a frame of the peer, an answer, and sending.
fn script(receive: u8, frame: &[u8]) -> Vec<u8> {
    let frame = &frame[..frame.len().min(255)];
    [&[0, 7, 9, receive, frame.len() as u8], frame, &[3, 7, 5, 5]].concat()
}

fn values<C: Codec>(codec: &C, choice: u8) -> io::Result<()> {
    let shape = || Shape::Named { name: "n".into(), inner: Some(Box::new(Shape::Circle(7))) };
    let shapes =
        || vec![Shape::Empty, Shape::Line(0.5, -1.0), shape(), Shape::Wrapped(Box::new(Shape::Empty))];
    let all = All {
        text: "€".into(),
        option: Some(Box::default()),
        list: shapes(),
        map: [("key".to_owned(), shapes())].into(),
        table: [(1, None)].into(),
        ..All::default()
    };
    let mut kind = 0;
    let mut seed = |encode: &dyn Fn(&mut BytesMut)| {
        let mut out = BytesMut::from(&[choice + 3 * kind][..]);
        encode(&mut out);
        kind += 1;
        put("values", &format!("{}-{kind}", C::ID), &out)
    };
    let encodes = "every codec encodes these types";
    seed(&|out| codec.encode(&all, out).expect(encodes))?;
    seed(&|out| codec.encode(&shapes(), out).expect(encodes))?;
    seed(&|out| codec.encode(&Endless(None), out).expect(encodes))?;
    seed(&|out| codec.encode(&[(); 5], out).expect(encodes))?;
    seed(&|out| codec.encode(&json!([1, "two", {"three": [4]}]), out).expect(encodes))?;
    seed(&|out| codec.encode(&json!({"a": [1, null, {"b": -0.5e-7}]}), out).expect(encodes))?;
    seed(&|out| {
        codec
            .encode(
                &[("key", [Some("a"), None])].into_iter().collect::<std::collections::BTreeMap<_, _>>(),
                out,
            )
            .expect(encodes)
    })?;
    seed(&|out| codec.encode(serde_bytes::Bytes::new(b"bytes"), out).expect(encodes))?;
    seed(&|out| codec.encode(&(1e300, 'ß', [Some(1u8), None]), out).expect(encodes))?;
    seed(&|out| codec.encode(&[Some(2u8), None, Some(0)][..], out).expect(encodes))?;
    assert_eq!(kind, TYPES);
    Ok(())
}

fn put(target: &str, name: &str, seed: &[u8]) -> io::Result<()> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(target);
    fs::create_dir_all(&dir)?;
    fs::write(dir.join(name), seed)
}
