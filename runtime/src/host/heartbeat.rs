use std::pin::Pin;
use std::time::Duration;

use isolated_workers_codec::Codec;
use isolated_workers_core::{Error, ErrorKind};
use tokio::time::sleep;

use crate::Link;
use crate::timeouts::{check_duration, silent_for};

/// Detection of hung workers: processes that are stopped, or whose runtime a handler blocks.
///
/// The host pings a worker after an interval in which nothing arrived from it. The worker's
/// connection task answers, on the worker's runtime. A handler that blocks that runtime for longer
/// than the timeout therefore counts as hung. Run such a handler on its own thread
/// (`#[message(blocking)]`).
///
/// ```
/// use isolated_workers_runtime::Heartbeat;
/// use std::time::Duration;
///
/// let heartbeat = Heartbeat::every(Duration::from_secs(5)).timeout(Duration::from_secs(20));
/// # let _ = heartbeat;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    pub(crate) interval: Duration,
    pub(crate) timeout: Duration,
    kills: bool,
}

/// Running heartbeat. Completes when the worker must be killed.
pub(crate) type BoxHeartbeat = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Heartbeat {
    /// Pings after `interval` of silence and kills the worker if it does not answer within 10 s.
    /// [`OnCrash`](crate::OnCrash) decides if it is respawned.
    ///
    /// [`Builder::spawn`](crate::Builder::spawn) refuses an interval or timeout of zero, or of more
    /// than ten years, with a `Config` error.
    pub const fn every(interval: Duration) -> Self {
        Self { interval, timeout: Duration::from_secs(10), kills: true }
    }

    /// Sets the time within which a ping must be answered. Default: 10 s.
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Logs a warning if the worker does not answer, instead of killing it.
    pub const fn report_only(mut self) -> Self {
        self.kills = false;
        self
    }

    /// Checks that each setting is in its valid range.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.interval.is_zero() || self.timeout.is_zero() {
            let text = "invalid Heartbeat: a zero interval or timeout would kill every worker; set both";
            return Err(Error::new(ErrorKind::Config, text));
        }
        check_duration("Heartbeat::every", self.interval, None)?;
        check_duration("Heartbeat::timeout", self.timeout, None)
    }

    /// Pings the worker at the other end of `link`. Completes when the worker must be killed.
    pub(crate) fn watch<C: Codec>(self, link: Link<C>) -> BoxHeartbeat {
        Box::pin(async move {
            loop {
                let before = link.reads();
                sleep(self.interval).await;
                if link.reads() != before {
                    continue;
                }
                link.ping();
                silent_for(self.timeout).await;
                if link.reads() == before {
                    if self.kills {
                        return;
                    }
                    tracing::warn!(silent_for = ?(self.interval + self.timeout), "a worker does not answer pings");
                }
            }
        })
    }
}
