//! What a worker is told when it starts: its configuration, a key. It goes over the connection, so that no argument,
//! variable or file has it, and the worker that replaces a crashed one is told the same.
//!
//! `cargo run --example startup_data`

use isolated_workers::host::OnCrash;
use isolated_workers::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize)]
struct Config {
    key: String,
    rounds: u32,
}

#[service]
trait Signer {
    #[message(idempotent)]
    async fn sign(&self, text: String) -> u64;
    async fn crash(&self);
}

struct MySigner(Config);

impl MySigner {
    /// What it says goes to the host, as the error of `spawn`.
    fn new(config: Config) -> Result<Self, String> {
        match config.rounds {
            0 => Err("a signature takes one round at least".to_owned()),
            _ => Ok(Self(config)),
        }
    }
}

impl Signer for MySigner {
    async fn sign(&self, text: String) -> u64 {
        let bytes = self.0.key.bytes().chain(text.bytes());
        (0..self.0.rounds)
            .fold(0, |sum, _| bytes.clone().fold(sum, |sum, byte| sum * 31 % 65_521 + u64::from(byte)))
    }
    async fn crash(&self) {
        std::process::exit(1)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    if is_worker() {
        // With `#[isolated_workers::main]`, an argument of `main` does the same.
        return serve_with(async |config| MySigner::new(config).map(MySigner::into_service)).await;
    }
    let config = Config { key: "none of your business".to_owned(), rounds: 3 };
    let builder = Worker::builder(Program::current_exe()?).startup_data(config.clone());
    let worker = builder.on_crash(OnCrash::respawn()).spawn().await?;
    let signer = SignerClient::new(worker.clone());
    let signature = signer.sign("hello".to_owned()).await?;
    println!("signed: {signature}");
    println!("{}", signer.crash().await.unwrap_err().kind().code());
    println!("the next worker knows the key, too: {}", signer.sign("hello".to_owned()).await? == signature);
    worker.close().await?;

    let refused = Worker::builder(Program::current_exe()?).startup_data(Config { rounds: 0, ..config });
    println!("{}", refused.spawn().await.unwrap_err());
    // Nothing but what it asks for.
    let refused = Worker::builder(Program::current_exe()?).startup_data("three rounds");
    println!("{}", refused.spawn().await.unwrap_err());
    Ok(())
}
