use std::pin::Pin;

use isolated_workers_codec::Codec;
use isolated_workers_transport::Transport;

use crate::connection::{ConnectionTask, HostTask, Link, RejectAll};
use crate::host::heartbeat::BoxHeartbeat;
use crate::host::starter::{Greeted, HostSettings};

/// Connection of a process, with the transport erased from the type.
pub(crate) struct WorkerConnection<C: Codec> {
    pub(super) task: Pin<Box<dyn HostTask<C>>>,
    /// Completes if the process must be killed because it does not answer pings.
    pub(super) heartbeat: Option<BoxHeartbeat>,
}

impl<C: Codec> WorkerConnection<C> {
    /// Continues `link` over a stream.
    pub(crate) fn open<T: Transport>(link: &Link<C>, settings: &HostSettings, stream: Greeted<T>) -> Self {
        let Greeted { reader, writer, buffer, terms } = stream;
        link.reconnect(terms, writer);
        let task = ConnectionTask::new(link.clone(), settings.limits, reader, buffer, RejectAll::default());
        let heartbeat = settings.heartbeat.map(|heartbeat| heartbeat.watch(link.clone()));
        Self { task: Box::pin(task), heartbeat }
    }

    /// Continues with a link to which the connection was handed over.
    pub(super) fn move_to(&mut self, link: &Link<C>, settings: &HostSettings) {
        self.task.as_mut().move_to(link.clone());
        self.heartbeat = settings.heartbeat.map(|heartbeat| heartbeat.watch(link.clone()));
    }
}
