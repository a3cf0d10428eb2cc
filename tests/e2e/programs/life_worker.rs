//! Worker that serves `Life`. Its first argument selects how it serves.

#[path = "../services/life.rs"]
mod life;

use std::convert::Infallible;
use std::sync::Arc;

use isolated_workers::codec::Postcard;
use isolated_workers::protocol::Limits;
use isolated_workers::{Error, serve, serve_with};
use life::{Config, Life, LifeService, Living};

async fn from_config(config: Config) -> Result<LifeService<Living>, String> {
    if config.refuses {
        return Err(format!("there is no service for {}", config.secret));
    }
    Ok(Living { config, ..Living::default() }.into_service())
}

/// Writes the id of this process to the pipe at `config.secret`.
async fn never_ready(config: Config) -> Result<LifeService<Living>, Infallible> {
    std::fs::write(config.secret, std::process::id().to_string()).unwrap();
    std::future::pending().await
}

fn plain() -> LifeService<Living> {
    Living::default().into_service()
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    match std::env::args().nth(1).as_deref() {
        None => serve_with(from_config).await,
        Some("slow") => serve_with(never_ready).await,
        Some("postcard") => serve_with(from_config).codec(Postcard).await,
        Some("frugal") => serve_with(from_config).limits(Limits::default().frame(2 << 10).depth(5)).await,
        Some("number") => serve_with(async |_: u32| Ok::<_, Infallible>(plain())).await,
        Some("plain") => serve(plain()).await,
        Some("no-handshake") => serve(plain()).without_handshake().await,
        Some("fragile") => serve(plain()).exit_on_panic().await,
        Some("stoppable") => {
            let living = Living::default();
            let server = Arc::clone(&living.server);
            let (handle, serving) = serve(living.into_service()).start();
            server.get_or_init(|| handle);
            serving.await
        }
        Some(other) => panic!("unknown argument {other}"),
    }
}
