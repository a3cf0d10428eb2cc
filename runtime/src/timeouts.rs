use std::time::{Duration, Instant};

use isolated_workers_core::{Error, ErrorKind};
use tokio::time::sleep;

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
    /// Time for which a disconnected worker lingers before it ends. Default: 1 min. It ends with
    /// its host in any case, if the host is its parent.
    pub disconnected: Duration,
    /// Time that a worker which is drained, or has announced its end, for example after a SIGTERM,
    /// may take to end once no call is in flight. The host then closes it. Default: 30 s.
    pub drain: Duration,
    /// Time within which a worker of a pool must have ended a call that was cancelled, because it
    /// timed out or was dropped. After that, the worker is hung: it gets no more calls, is
    /// replaced, and is killed once its other calls have ended, which may take up to
    /// [`drain`](Self::drain). Default: 5 s. A worker that is not in a pool is never taken for
    /// hung.
    pub cancel: Duration,
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

    /// Sets the time that a worker which has announced its end may take to end once no call is in
    /// flight.
    pub const fn drain(mut self, limit: Duration) -> Self {
        self.drain = limit;
        self
    }

    /// Sets the grace period of `close`, after which the process is killed.
    pub const fn close(mut self, limit: Duration) -> Self {
        self.close = limit;
        self
    }

    /// Sets the time within which a worker of a pool must have ended a cancelled call.
    pub const fn cancel(mut self, limit: Duration) -> Self {
        self.cancel = limit;
        self
    }

    /// Time for which a disconnected worker lingers, as sent on the wire.
    pub(crate) fn linger(&self) -> Duration {
        if self.disconnected.is_zero() { UNLIMITED } else { self.disconnected }
    }

    /// Checks that each limit is in its valid range.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let Self { startup, message, close, disconnected, drain, cancel } = *self;
        for (name, limit) in [
            ("startup", startup),
            ("message", message),
            ("close", close),
            ("disconnected", disconnected),
            ("drain", drain),
            ("cancel", cancel),
        ] {
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
            drain: Duration::from_secs(30),
            cancel: Duration::from_secs(5),
        }
    }
}

/// Reaction to a call that exceeds its timeout. The call fails with
/// [`Timeout`](isolated_workers_core::ErrorKind::Timeout) in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnTimeout {
    /// Cancels the call in the worker: its handler's future is dropped. A handler that never awaits
    /// continues; in a pool, it costs its worker after [`Timeouts::cancel`]. The default.
    #[default]
    Cancel,
    /// Sends nothing: the handler continues to its end.
    Abandon,
    /// Kills and respawns the worker, which is the only way to end a busy loop. Other calls in
    /// flight fail or are retried, depending on [`OnCrash`](crate::OnCrash). A call with streams
    /// that has timed out while it waited for its own caller is cancelled instead.
    Kill,
}

/// Time that a process may take to exit after its connection has ended, before it is killed.
pub(crate) const EXIT_TIMEOUT: Duration = Duration::from_secs(1);

/// Time that a killed process may take to end after its connection was closed, before it counts as
/// one that cannot be killed.
pub(crate) const KILL_TIMEOUT: Duration = Duration::from_secs(4);

/// Time for which the connection of a process that has exited is still read. It normally ends with
/// the process, unless a child of the process holds it open.
pub(crate) const FINAL_READ_TIMEOUT: Duration = Duration::from_millis(20);

/// Unlimited duration, as sent on the wire: `u32::MAX` seconds, or 136 years.
pub(crate) const UNLIMITED: Duration = Duration::from_secs(u32::MAX as u64);

/// Waits for `limit`. Never returns if `limit` is zero.
pub(crate) async fn elapsed(limit: Duration) {
    if limit.is_zero() { std::future::pending().await } else { sleep(limit).await }
}

/// Number of parts of a limit. If this process is frozen, at most one of them is lost.
const SLICES: u32 = 10;

/// Delay of a timer above which this process, or its runtime, was frozen meanwhile.
pub(crate) const MAX_TIMER_DELAY: Duration = Duration::from_millis(100);

/// Time in which the runtime polls its streams at least once.
pub(crate) const DRIVER_TURN: Duration = Duration::from_millis(1);

/// Waits until a peer has been silent for `limit`. Never returns if `limit` is zero.
///
/// Time in which this process could not have heard its peer does not count. If the process is
/// stopped (SIGSTOP, a paused container) or its runtime is blocked, its timers fire at once
/// afterwards, maybe before the runtime reports what has arrived, and the peer may have been
/// stopped too. Therefore, the limit is waited for in slices, and one more slice follows if the
/// last one took too long. Await this after the source of data in a biased `select!`.
pub(crate) async fn silent_for(limit: Duration) {
    if limit.is_zero() {
        return std::future::pending().await;
    }
    let slices = if limit < MAX_TIMER_DELAY { 1 } else { SLICES };
    let slice = limit / slices;
    let mut was_frozen = false;
    for _ in 0..slices {
        was_frozen = sleeps_too_long(slice).await;
    }
    if was_frozen {
        sleep(slice).await;
    }
    sleep(DRIVER_TURN).await;
}

/// Sleeps. Returns `true` if the timer was late.
async fn sleeps_too_long(time: Duration) -> bool {
    let begun = Instant::now();
    sleep(time).await;
    begun.elapsed() > time + MAX_TIMER_DELAY
}
