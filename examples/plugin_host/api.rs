//! What host and plugins agree on. In a project of your own, a library crate that both depend on.

use isolated_workers::service;

#[service]
pub(crate) trait Plugin {
    async fn name(&self) -> String;
    async fn transform(&self, text: String) -> Result<String, String>;
}
