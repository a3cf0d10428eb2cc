//! Service of the programs with `#[isolated_workers::main]`.

use isolated_workers::service;

#[service]
pub(crate) trait Greeting {
    async fn greet(&self, name: String) -> String;
}
