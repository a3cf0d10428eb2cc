use std::sync::Arc;
use std::time::Duration;

use async_nats::Client;
use isolated_workers::protocol::Schema;
use tokio_util::sync::DropGuard;

use super::inbox::Inbox;
use super::machines::Machines;

/// State of all clones of a [`Remote`](super::Remote).
pub(super) struct Shared<C> {
    pub(super) client: Client,
    pub(super) codec: C,
    pub(super) fleet: Arc<str>,
    pub(super) services: Vec<Schema>,
    pub(super) timeout: Option<Duration>,
    pub(super) full_wait: Duration,
    pub(super) silence: Duration,
    pub(super) inbox: Arc<Inbox>,
    pub(super) machines: Arc<Machines>,
    /// Ends the reader of the inbox when the calls that were given up are cancelled.
    pub(super) _reader: DropGuard,
}
