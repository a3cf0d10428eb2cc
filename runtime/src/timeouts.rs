use std::time::Duration;

use isolated_workers_core::{Error, ErrorKind};

/// Time limits for startup, calls and shutdown of a worker. Zero means no limit.
///
/// [`Builder::spawn`](crate::Builder::spawn) refuses a limit of more than ten years with a `Config`
/// error.
///
/// ```
/// use isolated_workers_runtime::Timeouts;
/// use std::time::Duration;
///
/// let timeouts = Timeouts::default().message(Duration::from_secs(30));
/// assert_eq!(timeouts.startup, Duration::from_secs(10));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timeouts {
    /// Time limit from the start of the process until it is ready for calls. Default: 10 s.
    pub startup: Duration,
    /// Timeout of a call whose message and request set none. Default: 5 min.
    pub message: Duration,
    /// Grace period of `close`, after which the process is killed. Default: 5 s.
    pub close: Duration,
    /// Time for which a disconnected worker lingers before it ends. Default: 1 min.
    pub disconnected: Duration,
}

impl Timeouts {
    /// Sets the time within which the process must be ready for calls.
    pub const fn startup(mut self, limit: Duration) -> Self {
        self.startup = limit;
        self
    }

    /// Sets the timeout of calls whose message and request set none.
    pub const fn message(mut self, limit: Duration) -> Self {
        self.message = limit;
        self
    }

    /// Sets the time for which a disconnected worker lingers until it is reconnected.
    pub const fn disconnected(mut self, limit: Duration) -> Self {
        self.disconnected = limit;
        self
    }

    /// Sets the grace period of `close`, after which the process is killed.
    pub const fn close(mut self, limit: Duration) -> Self {
        self.close = limit;
        self
    }

    /// Checks that each limit is in its valid range.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let Self { startup, message, close, disconnected } = *self;
        for (name, limit) in
            [("startup", startup), ("message", message), ("close", close), ("disconnected", disconnected)]
        {
            check_duration(&format!("Timeouts::{name}"), limit, Some("no limit"))?;
        }
        Ok(())
    }
}

/// Longest duration that a builder accepts: ten years. It can be added to the current time and
/// multiplied by a small number.
const MAX_DURATION: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// Refuses a duration of more than ten years. `zero` is the meaning of zero, if it is special.
pub(crate) fn check_duration(setting: &str, value: Duration, zero: Option<&str>) -> Result<(), Error> {
    if value <= MAX_DURATION {
        return Ok(());
    }
    let zero = zero.map_or(String::new(), |zero| format!("; zero means {zero}"));
    let text = format!("invalid `{setting}` of {value:?}: the maximum is ten years{zero}");
    Err(Error::new(ErrorKind::Config, text))
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            startup: Duration::from_secs(10),
            message: Duration::from_secs(5 * 60),
            close: Duration::from_secs(5),
            disconnected: Duration::from_secs(60),
        }
    }
}

/// Reaction to a call that exceeds its timeout. The call fails with
/// [`Timeout`](isolated_workers_core::ErrorKind::Timeout) in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnTimeout {
    /// Cancels the call in the worker: its handler's future is dropped. A handler that never awaits
    /// continues. The default.
    #[default]
    Cancel,
    /// Sends nothing: the handler continues to its end.
    Abandon,
    /// Kills and respawns the worker, which is the only way to end a busy loop. Other calls in
    /// flight fail or are retried, depending on [`OnCrash`](crate::OnCrash).
    Kill,
}

/// Time that a process may take to exit after its connection has ended, before it is killed.
pub(crate) const EXIT_TIMEOUT: Duration = Duration::from_secs(1);

/// Time for which the connection of a process that has exited is still read. It normally ends with
/// the process, unless a child of the process holds it open.
pub(crate) const FINAL_READ_TIMEOUT: Duration = Duration::from_millis(20);

/// Unlimited duration, as sent on the wire: `u32::MAX` seconds, or 136 years.
pub(crate) const UNLIMITED: Duration = Duration::from_secs(u32::MAX as u64);

/// Waits for `limit`. Never returns if `limit` is zero.
pub(crate) async fn elapsed(limit: Duration) {
    if limit.is_zero() { std::future::pending().await } else { tokio::time::sleep(limit).await }
}
