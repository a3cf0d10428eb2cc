//! A plugin with a bug: an exclamation mark ends its process. The host keeps running.

mod api;

use api::{About, Plugin};
use isolated_workers::prelude::*;
use isolated_workers::service::{Context, Router};

#[derive(Clone, Copy)]
struct Shout;

impl Plugin for Shout {
    async fn transform(&self, _: Context, text: String) -> Result<String, String> {
        if text.contains('!') {
            eprintln!("shout: too loud");
            std::process::exit(7);
        }
        Ok(text.to_uppercase())
    }
}

impl About for Shout {
    async fn name(&self) -> String {
        "shout".to_owned()
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    serve(Router::new().add(Plugin::into_service(Shout)).add(About::into_service(Shout))).await
}
