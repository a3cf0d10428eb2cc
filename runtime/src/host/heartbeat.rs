use std::time::Duration;

use isolated_workers_codec::Codec;
use tokio::time::sleep;

use crate::Link;

/// How a worker is found that hangs: stopped, or with a runtime that does not get on because a handler blocks it.
///
/// The host asks for a sign of life whenever nothing has come from the worker for [`every`](Self::every) so long. The
/// worker's connection answers, on the runtime of the worker: so a handler that computes on it for longer than the
/// timeout is taken for hung, and belongs on a thread of its own (`#[message(blocking)]`).
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

/// What a host that was itself busy may have to catch up with, before its worker is blamed.
const CATCH_UP: Duration = Duration::from_millis(50);

impl Heartbeat {
    /// Asks after so much silence. The worker is killed if it does not answer within 10 s; [`OnCrash`](crate::OnCrash)
    /// says what comes then.
    pub const fn every(interval: Duration) -> Self {
        Self { interval, timeout: Duration::from_secs(10), kills: true }
    }

    /// Sets how long the answer may take.
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Writes a warning to the log where the worker does not answer, and does not kill it.
    pub const fn report_only(mut self) -> Self {
        self.kills = false;
        self
    }

    /// Returns when the worker is to be killed.
    pub(crate) async fn watch<C: Codec>(self, link: &Link<C>) {
        loop {
            let before = link.heard();
            sleep(self.interval).await;
            if link.heard() != before {
                continue;
            }
            link.ping();
            sleep(self.timeout).await;
            if link.heard() == before {
                sleep(CATCH_UP).await;
            }
            if link.heard() == before {
                if self.kills {
                    return;
                }
                tracing::warn!(silent_for = ?(self.interval + self.timeout), "a worker gives no sign of life");
            }
        }
    }
}
