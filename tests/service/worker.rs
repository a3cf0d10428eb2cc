//! Worker of these tests: `shapes-worker SERVICE CODEC`.

mod services;

use isolated_workers::codec::{Cbor, Codec, Compressed, Json, Postcard};
use isolated_workers::{Error, serve};

use services::gate::{Gate, Gates};
use services::ledger::Actor;
use services::names::{Echo, Names};
use services::pictures::volumes::{Adding, Volumes};
use services::pictures::{Gallery, Pictures};
use services::shapes::{Shapes, Solid};
use services::shop::old::Shop;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [service, codec] = &arguments[..] else {
        panic!("expected the arguments SERVICE CODEC, got {arguments:?}")
    };
    match codec.as_str() {
        Json::ID => run(service, Json).await,
        Postcard::ID => run(service, Postcard).await,
        Cbor::ID => run(service, Cbor).await,
        "compressed+postcard" => run(service, Compressed::new(Postcard)).await,
        other => panic!("unknown codec: {other}"),
    }
}

async fn run<C: Codec>(service: &str, codec: C) -> Result<(), Error> {
    match service {
        "gate" => serve(Gates::default().into_service()).codec(codec).await,
        "ledger" => serve(Actor::start()).codec(codec).await,
        "names" => serve(Echo.into_service()).codec(codec).await,
        "pictures" => serve(Gallery::default().into_service()).codec(codec).await,
        "shapes" => serve(Solid::default().into_service()).codec(codec).await,
        "shop" => serve(Corner.into_service()).codec(codec).await,
        "volumes" => serve(Adding.into_service()).codec(codec).await,
        other => panic!("unknown service: {other}"),
    }
}

struct Corner;

impl Shop for Corner {
    async fn buy(&self, _item: String, count: u32) -> u64 {
        u64::from(count) * 3
    }
    async fn stock(&self) -> u32 {
        7
    }
}
