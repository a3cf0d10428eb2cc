//! Thumbnails over three machines, one of which is killed on the way. Each machine is a process
//! that offers a pool of two workers. Starts a NATS server on loopback, or uses that of `NATS_URL`.
//!
//! `cargo run --example fleet`

#[path = "../../support/server.rs"]
mod server;

mod image;
mod machine;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures_util::StreamExt;
use isolated_workers::codec::Postcard;
use isolated_workers::layer::Retry;
use isolated_workers::prelude::*;
use isolated_workers_nats::{self as nats, async_nats};

use self::machine::MachineProcess;

/// Service of each machine.
#[service]
trait Thumbnailer {
    /// Scales an image down to edges of `side` pixels. Returns it with the id of the worker's
    /// process.
    #[message(idempotent)]
    async fn scale(&self, image: Bytes, side: u32) -> Result<(u32, Bytes), String>;
}

/// Handler in a worker of a machine.
struct Scaler;

impl Thumbnailer for Scaler {
    async fn scale(&self, image: Bytes, side: u32) -> Result<(u32, Bytes), String> {
        Ok((std::process::id(), image::scale(&image, side)?))
    }
}

const IMAGES: usize = 600;
const SIDE: u32 = 32;
/// Images in flight at once.
const AT_ONCE: usize = 12;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    if is_worker() {
        return Ok(serve(Scaler.into_service()).codec(Postcard).await?);
    }
    if let Some(url) = std::env::args().nth(1) {
        return machine::run(&url).await;
    }

    let own = if std::env::var_os("NATS_URL").is_some() { None } else { server::Server::start().await };
    let Some(url) = std::env::var("NATS_URL").ok().or_else(|| own.as_ref().map(server::Server::url)) else {
        println!("skipped: there is no nats-server; install it, or name one in NATS_URL");
        return Ok(());
    };
    let mut machines = Vec::new();
    for _ in 0..3 {
        machines.push(MachineProcess::start(&url).await?);
    }
    println!("three machines serve, with two workers each");

    let fleet = nats::Remote::builder(async_nats::connect(&url).await?, "thumbnails").codec(Postcard).await?;
    let retry = Retry::new(10).unbudgeted();
    let thumbnails = ThumbnailerClient::new(fleet.wrapped_by(retry));
    let done = AtomicUsize::new(0);
    let scaled = futures_util::stream::iter(0..IMAGES).map(async |number| {
        let scaled = thumbnails.scale(image::draw(number), SIDE).await;
        done.fetch_add(1, Ordering::Relaxed);
        (number, scaled)
    });
    let mut scaled = scaled.buffer_unordered(AT_ONCE);

    let mut lost = 0;
    let mut by_worker: BTreeMap<u32, usize> = BTreeMap::new();
    while let Some((number, result)) = scaled.next().await {
        match result {
            Ok((worker, thumbnail)) if thumbnail == image::scale(&image::draw(number), SIDE)? => {
                *by_worker.entry(worker).or_default() += 1;
            }
            Ok(_) => return Err(format!("the thumbnail {number} is that of another image").into()),
            Err(error) => {
                println!("image {number}: {error}");
                lost += 1;
            }
        }
        if done.load(Ordering::Relaxed) > IMAGES / 3 && machines.len() == 3 {
            machines.remove(0).kill().await?;
            println!("killed a machine after {} images", done.load(Ordering::Relaxed));
        }
    }
    let images: usize = by_worker.values().sum();
    println!("{images} thumbnails by {} workers of three machines", by_worker.len());
    println!("{}", if lost == 0 { "none was lost".to_owned() } else { format!("{lost} were lost") });
    Ok(())
}
