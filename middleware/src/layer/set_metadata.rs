use isolated_workers_core::{Error, Metadata, Request, Response};

use crate::{Middleware, Service};

/// Puts keys and values beside each request: a tenant, the version of a program. What a request has
/// under the same key is replaced.
///
/// On the host they travel to the worker, whose middleware and handlers read them
/// ([`Context`](crate::Context)); on the worker they reach only those.
///
/// ```
/// use isolated_workers_middleware::SetMetadata;
///
/// let tenant = SetMetadata::new([("tenant", "acme"), ("region", "eu")]);
/// ```
#[derive(Clone, Debug)]
pub struct SetMetadata(Metadata);

impl SetMetadata {
    /// Sets these keys to these values.
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
