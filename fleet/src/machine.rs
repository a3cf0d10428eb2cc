//! The machine's side: a service behind subjects.

mod admission;
mod answering;
mod discovery;
mod listener;
mod running;
mod statistics;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_nats::{Client, HeaderMap, Message};
use futures_util::StreamExt;
use isolated_workers::codec::Codec;
use isolated_workers::protocol::Schema;
use isolated_workers::{Error, Service};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::admission::Admission;
use self::answering::Answering;
use self::running::Running;
use self::statistics::Statistics;
use crate::remote::BEAT;
use crate::serve::Serve;
use crate::subject::Subjects;
use crate::{errors, headers, subject};

/// Interval at which callers hear of calls that they have not heard of.
const NAME_INTERVAL: Duration = Duration::from_millis(250);
/// Number of such intervals after which callers hear of all their calls.
const INTERVALS_PER_BEAT: u32 = 4;

/// Machine of a fleet: offers a service until it is drained. Made by [`serve`](crate::serve).
///
/// Dropping it drains it in the background, as long as the runtime runs.
pub struct Machine(Arc<Machinery>);

/// State of a machine, without its service.
struct Machinery {
    client: Client,
    fleet: String,
    id: String,
    version: String,
    description: String,
    codec: &'static str,
    started: SystemTime,
    schemas: Vec<Schema>,
    subjects: Vec<Subjects>,
    admission: Admission,
    running: Running,
    statistics: Statistics,
    /// Subscriptions for calls, and calls.
    tasks: TaskTracker,
    /// Cancelled when the last call has ended.
    ended: CancellationToken,
}

impl Machine {
    pub(crate) async fn start<S: Service + 'static>(serve: Serve<S>) -> Result<Self, Error> {
        let Serve { service, client, fleet, schemas, max_in_flight, version, description } = serve;
        // The library makes a random token for each inbox.
        let id = client.new_inbox().rsplit('.').next().unwrap_or_default().to_owned();
        let subjects = schemas.iter().map(|schema| Subjects::new(&fleet, schema, S::Codec::ID)).collect();
        let machinery = Arc::new(Machinery {
            admission: Admission::new(max_in_flight, schemas.len()),
            statistics: Statistics::new(&schemas),
            running: Running::default(),
            tasks: TaskTracker::new(),
            ended: CancellationToken::new(),
            started: SystemTime::now(),
            codec: S::Codec::ID,
            client,
            fleet,
            id,
            version,
            description,
            schemas,
            subjects,
        });
        machinery.spawn_control().await?;
        discovery::spawn(&machinery).await?;
        Answering::new(Arc::clone(&machinery), service).start().await?;
        tokio::spawn(Arc::clone(&machinery).beat());
        // The server has processed all subscriptions, so calls from now on arrive.
        machinery.confirm_order().await.map_err(|error| errors::unsubscribed(&machinery.fleet, error))?;
        Ok(Self(machinery))
    }

    /// Id of the machine, made when it started.
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// Number of calls that run.
    pub fn in_flight(&self) -> usize {
        self.0.admission.in_flight()
    }

    /// Takes no further calls and waits until those in flight have ended. No call fails by that: those
    /// that the server has sent already are run.
    ///
    /// Cancel-safe: the drain goes on. The client stays connected.
    pub async fn drain(&self) {
        self.0.begin_drain();
        self.0.tasks.wait().await;
        // The replies are written before the program ends.
        if let Err(error) = self.0.client.flush().await {
            tracing::debug!("could not flush the last replies: {error}");
        }
        self.0.ended.cancel();
    }

    /// Takes no further calls and cancels those in flight, whose callers get an error.
    pub async fn close(&self) {
        self.0.begin_drain();
        self.0.running.cancel_all();
        self.drain().await;
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.0.begin_drain();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let machinery = Arc::clone(&self.0);
            runtime.spawn(async move {
                machinery.tasks.wait().await;
                machinery.ended.cancel();
            });
        } else {
            self.0.ended.cancel();
        }
    }
}

impl Machinery {
    fn begin_drain(&self) {
        self.admission.draining().cancel();
        self.tasks.close();
    }

    /// Returns after the server has processed all that this client has sent before, and this client all
    /// that the server has sent before that.
    async fn confirm_order(&self) -> Result<(), async_nats::RequestError> {
        let to_itself = subject::control(&self.fleet, &self.id);
        self.client.request(to_itself, Default::default()).await.map(drop)
    }

    /// Takes cancellations, and answers [`confirm_order`](Self::confirm_order).
    async fn spawn_control(self: &Arc<Self>) -> Result<(), Error> {
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
    async fn beat(self: Arc<Self>) {
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

impl fmt::Debug for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Machine")
            .field("fleet", &self.0.fleet)
            .field("id", &self.0.id)
            .field("in_flight", &self.in_flight())
            .finish_non_exhaustive()
    }
}
