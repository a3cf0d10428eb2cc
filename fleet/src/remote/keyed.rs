use std::fmt;

use isolated_workers::codec::{BodyLimit, Codec, DefaultCodec};
use isolated_workers::protocol::{Request, Response};
use isolated_workers::{Error, Service};

use super::call::Call;
use super::{Remote, machines};

/// Fleet whose calls all run on the machine that a key chooses. Made by [`Remote::with_key`].
pub struct Keyed<C: Codec = DefaultCodec> {
    remote: Remote<C>,
    key: u64,
}

impl<C: Codec> Remote<C> {
    /// Returns a service whose calls all run on the same machine, as long as the same machines
    /// serve.
    ///
    /// Callers with the same key agree on the machine (rendezvous hashing over the machines that
    /// have answered in the last 3 s). If a machine joins or leaves, only its own keys move. The
    /// first call takes 0.2 s to learn the machines. If the machine is full, the call waits for it.
    ///
    /// A key saves work, such as a cache. It gives no exclusive access: while machines come and go,
    /// two callers may choose different ones.
    pub fn with_key(&self, key: impl AsRef<[u8]>) -> Keyed<C> {
        Keyed { remote: self.clone(), key: machines::hash(key.as_ref()) }
    }
}

impl<C: Codec> Service for Keyed<C> {
    type Codec = C;

    fn codec(&self) -> &C {
        self.remote.codec()
    }

    fn body_limit(&self) -> BodyLimit {
        self.remote.body_limit()
    }

    async fn call(&self, request: Request) -> Result<Response, Error> {
        Call::new(&self.remote.0, &request)?.run(Some(self.key)).await
    }
}

impl<C: Codec> Clone for Keyed<C> {
    fn clone(&self) -> Self {
        Self { remote: self.remote.clone(), key: self.key }
    }
}

impl<C: Codec> fmt::Debug for Keyed<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyed").field("remote", &self.remote).field("key", &self.key).finish()
    }
}
