//! The machine's side: a service behind subjects.

mod admission;
mod answering;
mod discovery;
mod listener;
mod machinery;
mod running;
mod statistics;

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;
use std::time::SystemTime;

use isolated_workers::codec::Codec;
use isolated_workers::{Error, Service};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::admission::Admission;
use self::answering::Answering;
use self::machinery::Machinery;
use self::running::Running;
use self::statistics::Statistics;
use crate::errors;
use crate::serve::Serve;
use crate::subject::Subjects;

/// Machine of a fleet: offers a service until it is drained. Made by [`serve`](crate::serve).
///
/// Dropping it drains it in the background, as long as the runtime runs.
pub struct Machine(Arc<Machinery>);

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

    /// Takes no further calls and waits until those in flight have ended. No call fails by that:
    /// those that the server has sent already are run.
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

impl<S: Service + 'static> IntoFuture for Serve<S> {
    type Output = Result<Machine, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            self.check()?;
            Machine::start(self).await
        })
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
