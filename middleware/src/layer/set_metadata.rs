use isolated_workers_core::{Error, Metadata, Request, Response};

use crate::{Middleware, Service};

/// Adds metadata to each request, such as a tenant or the version of a program. Existing values of
/// the same keys are replaced.
///
/// On the host, the metadata travels to the worker, whose middleware and handlers can read it
/// ([`Context`](crate::Context)). On the worker, it is visible only to the layers below and the
/// handler.
///
/// ```
/// use isolated_workers_middleware::SetMetadata;
///
/// let tenant = SetMetadata::new([("tenant", "acme"), ("region", "eu")]);
/// ```
#[derive(Clone, Debug)]
pub struct SetMetadata(Metadata);

impl SetMetadata {
    /// Sets each key to its value.
    pub fn new<K: Into<String>, V: Into<String>>(pairs: impl IntoIterator<Item = (K, V)>) -> Self {
        Self(pairs.into_iter().collect())
    }
}

impl Middleware for SetMetadata {
    async fn handle<S: Service>(&self, mut request: Request, next: &S) -> Result<Response, Error> {
        for (key, value) in self.0.iter() {
            request.metadata_mut().insert(key, value);
        }
        next.call(request).await
    }
}
