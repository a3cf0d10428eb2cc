//! A custom codec for a serde format: MessagePack, for which libraries exist in many languages.
//!
//! `cargo run -p messagepack`

use bytes::{BufMut, BytesMut};
use isolated_workers::codec::{Codec, CodecError, LengthPrefixed};
use isolated_workers::prelude::*;
use isolated_workers::protocol::Limits;
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy)]
pub(crate) struct MessagePack;

const NIL: &[u8] = &[0xc0];

impl Codec for MessagePack {
    const ID: &'static str = "messagepack";
    type Framing = LengthPrefixed;

    fn encode<T: Serialize + ?Sized>(&self, value: &T, out: &mut BytesMut) -> Result<(), CodecError> {
        rmp_serde::encode::write_named(&mut out.writer(), value).map_err(CodecError::new)
    }

    fn decode<'de, T: Deserialize<'de>>(&self, bytes: &'de [u8]) -> Result<T, CodecError> {
        // An empty payload decodes as nil.
        let mut rest = if bytes.is_empty() { NIL } else { bytes };
        let mut deserializer = rmp_serde::Deserializer::new(&mut rest);
        // Limits the depth of values that serde skips. The budget of the connection limits decoded
        // values, for any codec.
        deserializer.set_max_depth(128);
        let value = T::deserialize(&mut deserializer).map_err(CodecError::new)?;
        match rest.len() {
            0 => Ok(value),
            extra => Err(CodecError::new(format!("{extra} bytes follow the value"))),
        }
    }

    fn framing(&self, limits: Limits) -> LengthPrefixed {
        LengthPrefixed::new(limits)
    }
}

#[service]
trait Greeter {
    async fn greet(&self, names: Vec<String>) -> Option<String>;
}

struct Polite;

impl Greeter for Polite {
    async fn greet(&self, names: Vec<String>) -> Option<String> {
        (!names.is_empty()).then(|| format!("Good evening, {}.", names.join(" and ")))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    if is_worker() {
        return Ok(serve(Polite.into_service()).codec(MessagePack).await?);
    }
    let worker = Worker::builder(Program::current_exe()?).codec(MessagePack).spawn().await?;
    println!("{:?}", GreeterClient::new(worker.clone()).greet(vec!["Ada".into(), "Grace".into()]).await?);
    worker.close().await?;
    println!("{}", MessagePack.decode::<u8>(&[7, 7]).unwrap_err());
    Ok(())
}
