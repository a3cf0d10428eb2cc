use std::fmt;
use std::time::Duration;

use async_nats::Client;
use isolated_workers::codec::{Codec, DefaultCodec};
use isolated_workers::protocol::Schema;

/// Configuration of a [`Remote`](super::Remote). Await it to connect.
#[must_use = "await the builder to connect"]
pub struct RemoteBuilder<C: Codec = DefaultCodec> {
    pub(super) client: Client,
    pub(super) fleet: String,
    pub(super) codec: C,
    pub(super) services: Vec<Schema>,
    pub(super) timeout: Option<Duration>,
    pub(super) full_wait: Duration,
    pub(super) silence: Duration,
}

impl<C: Codec> RemoteBuilder<C> {
    pub(super) fn new(client: Client, fleet: String, codec: C) -> Self {
        Self {
            client,
            fleet,
            codec,
            services: Vec::new(),
            timeout: None,
            full_wait: Duration::from_secs(10),
            silence: Duration::from_millis(2500),
        }
    }

    /// Sets the codec. The machines must use the same one. Default: `Json`.
    pub fn codec<D: Codec>(self, codec: D) -> RemoteBuilder<D> {
        let Self { client, fleet, codec: _, services, timeout, full_wait, silence } = self;
        RemoteBuilder { client, fleet, codec, services, timeout, full_wait, silence }
    }

    /// Adds the schema of a service, for requests that are known only by name. The messages of
    /// `#[service]` bring their own.
    pub fn service(mut self, schema: Schema) -> Self {
        self.services.push(schema);
        self
    }

    /// Sets the timeout of calls whose message has none. Default: none here; the machine's service
    /// has its own.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sets the time that a call waits if all machines are full. Default: 10 s. The call's timeout
    /// applies as well.
    pub fn full_wait(mut self, wait: Duration) -> Self {
        self.full_wait = wait;
        self
    }

    /// Sets the time after which a machine counts as dead if it does not name a call among those
    /// that it runs. Default: 2.5 s. A machine names them each second, so shorter than 2 s ends
    /// calls for nothing. Noticed up to 0.25 s later.
    pub fn silence(mut self, silence: Duration) -> Self {
        self.silence = silence;
        self
    }
}

impl<C: Codec> fmt::Debug for RemoteBuilder<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteBuilder")
            .field("fleet", &self.fleet)
            .field("codec", &C::ID)
            .finish_non_exhaustive()
    }
}
