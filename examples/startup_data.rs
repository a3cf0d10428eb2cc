//! Startup data of a worker, such as a configuration or a key. It is sent over the connection, and
//! appears in no argument, environment variable or file. A respawned worker gets the same data.
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
    /// Checks the configuration. `spawn` returns the error on the host.
    fn new(config: Config) -> Result<Self, String> {
        match config.rounds {
            0 => Err("a signature needs at least one round".to_owned()),
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
        // With `#[isolated_workers::main]`, declare the data as an argument of `main`.
        return serve_with(async |config| MySigner::new(config).map(MySigner::into_service)).await;
    }
    let config = Config { key: "secret".to_owned(), rounds: 3 };
    let builder = Worker::builder(Program::current_exe()?).startup_data(config.clone());
    let worker = builder.on_crash(OnCrash::respawn()).spawn().await?;
    let signer = SignerClient::new(worker.clone());
    let signature = signer.sign("hello".to_owned()).await?;
    println!("signed: {signature}");
    println!("{}", signer.crash().await.unwrap_err().kind().code());
    println!(
        "the respawned worker has the same key: {}",
        signer.sign("hello".to_owned()).await? == signature
    );
    worker.close().await?;

    let rejected = Worker::builder(Program::current_exe()?).startup_data(Config { rounds: 0, ..config });
    println!("{}", rejected.spawn().await.unwrap_err());
    // Data of another type is rejected.
    let rejected = Worker::builder(Program::current_exe()?).startup_data("three rounds");
    println!("{}", rejected.spawn().await.unwrap_err());
    Ok(())
}
