use std::fmt;

use isolated_workers::codec::{BodyLimit, Codec, DefaultCodec};
use isolated_workers::protocol::{Request, Response};
use isolated_workers::{Error, Service};

use super::Remote;
use super::call::Call;

/// Fleet whose calls all run on the machine that a key chooses. Made by [`Remote::with_key`].
pub struct Keyed<C: Codec = DefaultCodec> {
    remote: Remote<C>,
    key: u64,
}

impl<C: Codec> Keyed<C> {
    pub(super) fn new(remote: Remote<C>, key: u64) -> Self {
        Self { remote, key }
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
