//! A plugin that tells its host what it does. It depends only on the traits, not on the host.

mod api;

use api::{About, LogClient, Plugin, log};
use isolated_workers::codec::Json;
use isolated_workers::prelude::*;
use isolated_workers::service::{Context, Router};

#[derive(Clone, Copy)]
struct Reverse;

impl Plugin for Reverse {
    async fn transform(&self, context: Context, text: String) -> Result<String, String> {
        if text.is_empty() {
            return Err("the text is empty".to_owned());
        }
        let log = LogClient::new(context.host::<Json>().map_err(|error| error.to_string())?);
        log.line(format!("{} letters to reverse", text.len())).await.map_err(|error| error.to_string())?;
        Ok(text.chars().rev().collect())
    }
}

impl About for Reverse {
    async fn name(&self) -> String {
        "reverse".to_owned()
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    // Each trait has an `into_service`.
    let services = Router::new().add(Plugin::into_service(Reverse)).add(About::into_service(Reverse));
    serve(services).host_service(log::SCHEMA).await
}
