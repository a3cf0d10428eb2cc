//! Worker of the tests: `codec_worker CODEC`, or `codec_worker startup`, which needs startup data.

use isolated_workers::codec::{Cbor, Postcard};
use isolated_workers::{Error, serve, serve_with, service};

#[service]
trait Shop {
    /// Price of an item in cents.
    async fn price(&self, item: String, count: u32) -> Price;
    async fn close(&self);
}

#[derive(serde::Serialize, serde::Deserialize)]
struct Price {
    total: u64,
    currency: String,
}

struct Corner {
    currency: String,
}

impl Shop for Corner {
    async fn price(&self, item: String, count: u32) -> Price {
        Price { total: item.len() as u64 * u64::from(count), currency: self.currency.clone() }
    }
    async fn close(&self) {}
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let corner = Corner { currency: "EUR".to_owned() };
    match std::env::args().nth(1).as_deref() {
        Some("cbor") => serve(corner.into_service()).codec(Cbor).await,
        Some("postcard") => serve(corner.into_service()).codec(Postcard).await,
        Some("startup") => {
            serve_with(async |currency: String| Ok::<_, Error>(Corner { currency }.into_service())).await
        }
        other => panic!("expected a codec or `startup`, got {other:?}"),
    }
}
