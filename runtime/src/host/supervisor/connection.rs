use std::pin::Pin;

use isolated_workers_codec::Codec;
use isolated_workers_transport::Transport;

use crate::connection::{ConnectionTask, HostTask, Link, RejectAll};
use crate::driver::Driver;
use crate::host::heartbeat::BoxHeartbeat;
use crate::host::settings::HostSettings;
use crate::host::starter::{Greeted, Starter};

/// Connection of a process, with the transport erased from the type.
pub(crate) struct WorkerConnection<C: Codec> {
    pub(super) task: Pin<Box<dyn HostTask<C>>>,
    /// Completes if the process must be killed because it does not answer pings.
    pub(super) heartbeat: Option<BoxHeartbeat>,
}

impl<C: Codec> WorkerConnection<C> {
    /// Continues `link` over a stream to the process `peer`.
    pub(crate) fn open<D: Driver, T: Transport>(
        link: &Link<C>,
        starter: &Starter<D, C, T>,
        stream: Greeted<T>,
        peer: Option<u32>,
    ) -> Self {
        let Greeted { reader, writer, buffer, terms, descriptors } = stream;
        let Starter { settings, callbacks, .. } = starter;
        // A worker without admission could send calls without a bound.
        let callbacks = callbacks.as_ref().filter(|_| terms.peer_admission.is_some());
        link.reconnect(terms, writer);
        if let Some(descriptors) = &descriptors {
            link.carry_descriptors(descriptors);
        }
        let link = link.clone();
        let heartbeat = settings.heartbeat.map(|heartbeat| heartbeat.watch(link.clone()));
        let task: Pin<Box<dyn HostTask<C>>> = match callbacks {
            Some(callbacks) => callbacks.open(link, settings, reader, buffer, peer),
            None => {
                let task = ConnectionTask::new(link, settings.limits, reader, buffer, RejectAll::default());
                Box::pin(task.with_latency(settings.latency))
            }
        };
        Self { task, heartbeat }
    }

    /// Continues with a link to which the connection was handed over.
    pub(super) fn move_to(&mut self, link: &Link<C>, settings: &HostSettings) {
        self.task.as_mut().move_to(link.clone());
        self.heartbeat = settings.heartbeat.map(|heartbeat| heartbeat.watch(link.clone()));
    }
}
