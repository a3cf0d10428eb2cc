use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_nats::{Client, HeaderMap, Message};
use futures_util::StreamExt;
use isolated_workers::Error;
use isolated_workers::protocol::Schema;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::admission::Admission;
use super::running::Running;
use super::statistics::Statistics;
use crate::remote::BEAT;
use crate::subject::Subjects;
use crate::{errors, headers, subject};

/// Interval at which callers hear of calls that they have not heard of.
const NAME_INTERVAL: Duration = Duration::from_millis(250);
/// Number of such intervals after which callers hear of all their calls.
const INTERVALS_PER_BEAT: u32 = 4;

/// State of a machine, without its service.
pub(super) struct Machinery {
    pub(super) client: Client,
    pub(super) fleet: String,
    pub(super) id: String,
    pub(super) version: String,
    pub(super) description: String,
    pub(super) codec: &'static str,
    pub(super) started: SystemTime,
    pub(super) schemas: Vec<Schema>,
    pub(super) subjects: Vec<Subjects>,
    pub(super) admission: Admission,
    pub(super) running: Running,
    pub(super) statistics: Statistics,
    /// Subscriptions for calls, and calls.
    pub(super) tasks: TaskTracker,
    /// Cancelled when the last call has ended.
    pub(super) ended: CancellationToken,
}

impl Machinery {
    pub(super) fn begin_drain(&self) {
        self.admission.draining().cancel();
        self.tasks.close();
    }

    /// Returns after the server has processed all that this client has sent before, and this client
    /// all that the server has sent before that.
    pub(super) async fn confirm_order(&self) -> Result<(), async_nats::RequestError> {
        let to_itself = subject::control(&self.fleet, &self.id);
        self.client.request(to_itself, Default::default()).await.map(drop)
    }

    /// Takes cancellations, and answers [`confirm_order`](Self::confirm_order).
    pub(super) async fn spawn_control(self: &Arc<Self>) -> Result<(), Error> {
        let subscribed = self.client.subscribe(subject::control(&self.fleet, &self.id)).await;
        let mut messages = subscribed.map_err(|error| errors::unsubscribed(&self.fleet, error))?;
        let machinery = Arc::clone(self);
        tokio::spawn(async move {
            let control = async {
                while let Some(Message { reply, payload, .. }) = messages.next().await {
                    match (reply, std::str::from_utf8(&payload)) {
                        (Some(reply), _) => drop(machinery.client.publish(reply, Default::default()).await),
                        (None, Ok(call)) => machinery.running.cancel(call),
                        (None, Err(_)) => {}
                    }
                }
            };
            tokio::select! {
                () = control => {}
                () = machinery.ended.cancelled() => {}
            }
        });
        Ok(())
    }

    /// Tells callers which of their calls run.
    pub(super) async fn beat(self: Arc<Self>) {
        let mut headers = HeaderMap::new();
        headers::append_text(&mut headers, headers::MACHINE, &self.id);
        let mut interval = tokio::time::interval(NAME_INTERVAL);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for tick in 0_u32.. {
            tokio::select! {
                _ = interval.tick() => {}
                () = self.ended.cancelled() => return,
            }
            for (inbox, ids) in self.running.to_name(tick % INTERVALS_PER_BEAT == 0) {
                let to = format!("{inbox}.{BEAT}");
                if let Err(error) = self.client.publish_with_headers(to, headers.clone(), ids.into()).await {
                    tracing::debug!("could not name running calls: {error}");
                }
            }
        }
    }
}
