//! The caller's side: a fleet as a service.

mod builder;
mod call;
mod inbox;
mod keyed;
mod machines;
mod shared;

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;

use async_nats::Client;
use isolated_workers::codec::{BodyLimit, Codec, DefaultCodec};
use isolated_workers::protocol::{Request, Response};
use isolated_workers::{Error, Service};
use tokio_util::sync::CancellationToken;

pub use self::builder::RemoteBuilder;
use self::call::Call;
pub(crate) use self::inbox::BEAT;
use self::inbox::{Inbox, Reader};
pub use self::keyed::Keyed;
use self::machines::Machines;
use self::shared::Shared;
use crate::errors;

/// Fleet of machines as a [`Service`]: a call runs on any machine that has room.
///
/// A client is made of it as of a worker or a pool: `IndexerClient::new(remote)`. Each call finds
/// its subject by the service, the fingerprint and the codec of its message, so that it reaches
/// only machines that were built from the same definitions.
///
/// A clone is cheap and shares the subscription for answers. Dropping the future of a call cancels
/// it at its machine, within about 0.5 s.
///
/// # Errors of calls
///
/// | kind | `executed` | cause |
/// |---|---|---|
/// | `Closed` | `No` | no machine serves the service, there is no connection, or the client is closed |
/// | `Overloaded` | `No` | all machines were full for [`full_wait`](RemoteBuilder::full_wait) |
/// | `Crashed` | `Maybe` | the machine was silent for [`silence`](RemoteBuilder::silence) |
/// | `Timeout` | `Maybe`, or `No` while it waited for room | the timeout of the call |
/// | `TooLarge` | `No` for a request, `Yes` for a reply | the server's `max_payload` |
/// | `Unsupported` | `No` | the method has streams |
/// | any other | as the machine says | the error of the machine's service |
///
/// A call is sent again only after an answer that proves that no machine has begun it. To make
/// idempotent calls again after `Maybe`, wrap the fleet in
/// [`Retry`](isolated_workers::layer::Retry).
///
/// ```no_run
/// use isolated_workers::layer::Retry;
/// use isolated_workers::prelude::*;
/// use isolated_workers_nats as nats;
///
/// #[service]
/// trait Indexer {
///     #[message(idempotent)]
///     async fn count(&self, page: String) -> u64;
/// }
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let client = nats::async_nats::connect("nats://10.0.0.1").await?;
/// let fleet = nats::Remote::connect(client, "indexer").await?;
/// let indexer = IndexerClient::new(fleet.wrapped_by(Retry::new(4)));
/// println!("{} words", indexer.count("one two".into()).await?);
/// # Ok(())
/// # }
/// ```
pub struct Remote<C: Codec = DefaultCodec>(Arc<Shared<C>>);

impl Remote {
    /// Connects to the fleet `fleet` with the default codec and options.
    ///
    /// # Errors
    /// `Closed` if the client is closed.
    pub async fn connect(client: Client, fleet: impl Into<String>) -> Result<Self, Error>
    where
        DefaultCodec: Default,
    {
        Self::builder(client, fleet).await
    }

    /// Returns a builder with the default codec.
    pub fn builder(client: Client, fleet: impl Into<String>) -> RemoteBuilder
    where
        DefaultCodec: Default,
    {
        RemoteBuilder::new(client, fleet.into(), DefaultCodec::default())
    }
}

impl<C: Codec> Remote<C> {
    /// Number of calls in flight, including dropped ones that are not cancelled yet.
    pub fn in_flight(&self) -> usize {
        self.0.inbox.len()
    }
}

impl<C: Codec> RemoteBuilder<C> {
    async fn connect(self) -> Result<Remote<C>, Error> {
        let Self { client, fleet, codec, services, timeout, full_wait, silence } = self;
        let fleet: Arc<str> = fleet.into();
        let inbox = Arc::new(Inbox::new(client.new_inbox()));
        let messages =
            client.subscribe(inbox.wildcard()).await.map_err(|error| errors::unsubscribed(&fleet, error))?;
        let machines = Arc::new(Machines::default());
        let reader = Reader {
            inbox: Arc::clone(&inbox),
            machines: Arc::clone(&machines),
            client: client.clone(),
            fleet: Arc::clone(&fleet),
            silence,
        };
        let unused = CancellationToken::new();
        tokio::spawn(reader.run(messages, unused.clone()));
        Ok(Remote(Arc::new(Shared {
            client,
            codec,
            fleet,
            services,
            timeout,
            full_wait,
            silence,
            inbox,
            machines,
            _reader: unused.drop_guard(),
        })))
    }
}

impl<C: Codec> IntoFuture for RemoteBuilder<C> {
    type Output = Result<Remote<C>, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.connect())
    }
}

impl<C: Codec> Service for Remote<C> {
    type Codec = C;

    fn codec(&self) -> &C {
        &self.0.codec
    }

    fn body_limit(&self) -> BodyLimit {
        BodyLimit::new(self.0.client.max_payload(), "max_payload of the NATS server")
    }

    async fn call(&self, request: Request) -> Result<Response, Error> {
        Call::new(&self.0, &request)?.run(None).await
    }
}

impl<C: Codec> Clone for Remote<C> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<C: Codec> fmt::Debug for Remote<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote").field("fleet", &self.0.fleet).field("codec", &C::ID).finish_non_exhaustive()
    }
}
