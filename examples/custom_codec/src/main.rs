//! A custom codec for an untrusted transport: encrypts each frame of another codec with
//! XChaCha20-Poly1305. The key is in a file that only this user can read. The host passes the path
//! to the worker.
//!
//! `cargo run -p custom_codec`

mod sealed;

use std::io::Write;

use chacha20poly1305::{Key, aead::Generate};
use isolated_workers::prelude::*;
use sealed::Sealed;

#[service]
trait Calculator {
    async fn add(&self, a: i64, b: i64) -> i64;
}

struct Sum;

impl Calculator for Sum {
    async fn add(&self, a: i64, b: i64) -> i64 {
        a + b
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    if is_worker() {
        let path = std::env::args().nth(1).expect("the path of the key file as an argument");
        let key = Sealed(Key::try_from(&std::fs::read(path)?[..])?);
        return Ok(serve(Sum.into_service()).codec(key).await?);
    }
    let key = Key::generate();
    // Only its owner can read a temporary file. Dropping `file` deletes it.
    let mut file = tempfile::NamedTempFile::new()?;
    file.write_all(&key)?;
    for (key, label) in [(key, "the same key"), (Key::generate(), "another key")] {
        let program = Program::current_exe()?.arg(file.path());
        let worker = Worker::builder(program).codec(Sealed(key)).spawn().await?;
        let sum = CalculatorClient::new(worker.clone()).add(2, 3).await;
        println!("with {label}: {:?}", sum.map_err(|error| error.to_string()));
        let _ = worker.close().await;
    }
    Ok(())
}
