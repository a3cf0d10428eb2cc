//! The services of plugins and of their host. In a real project, a library crate that both depend
//! on.

use isolated_workers::service;
use isolated_workers::service::Context;

/// Work of a plugin.
#[service]
pub(crate) trait Plugin {
    async fn transform(&self, context: Context, text: String) -> Result<String, String>;
}

/// Description of a plugin by itself.
#[service]
pub(crate) trait About {
    async fn name(&self) -> String;
}

/// Service of the host, which plugins call.
#[service]
pub(crate) trait Log {
    async fn line(&self, text: String);
}
