//! The service that plugins implement. In a real project, a library crate that host and plugins
//! depend on.

use isolated_workers::service;

#[service]
pub(crate) trait Plugin {
    async fn name(&self) -> String;
    async fn transform(&self, text: String) -> Result<String, String>;
}
