//! What the programs serve that `#[isolated_workers::main]` makes workers.

use isolated_workers::service;

#[service]
pub(crate) trait Greeting {
    async fn greet(&self, name: String) -> String;
}
