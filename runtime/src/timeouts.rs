use std::time::Duration;

/// How long the parts of a worker's life may take. Zero is no limit.
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
    /// From the start of the process until it is ready for calls. Default: 10 s.
    pub startup: Duration,
    /// For a call whose message or request does not say. Default: 5 min.
    pub message: Duration,
    /// From the request to close until the process is killed. Default: 5 s.
    pub close: Duration,
    /// How long a worker that was disconnected waits until it is reached again; then it ends. Default: 1 min.
    pub disconnected: Duration,
}

impl Timeouts {
    /// Sets how long the process may take to be ready for calls.
    pub const fn startup(mut self, limit: Duration) -> Self {
        self.startup = limit;
        self
    }

    /// Sets how long a call may take whose message or request does not say.
    pub const fn message(mut self, limit: Duration) -> Self {
        self.message = limit;
        self
    }

    /// Sets how long a worker that was disconnected waits until it is reached again.
    pub const fn disconnected(mut self, limit: Duration) -> Self {
        self.disconnected = limit;
        self
    }

    /// Sets how long the process has to end by itself when it is closed.
    pub const fn close(mut self, limit: Duration) -> Self {
        self.close = limit;
        self
    }
}

impl Timeouts {
    /// Longer is meant to be for ever, which is zero.
    const LONGEST: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

    /// The first limit that makes no sense, with its name.
    pub(crate) fn absurd(&self) -> Option<(&'static str, Duration)> {
        let limits = [
            ("startup", self.startup),
            ("message", self.message),
            ("close", self.close),
            ("disconnected", self.disconnected),
        ];
        limits.into_iter().find(|(_, limit)| *limit > Self::LONGEST)
    }
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

/// What happens when the time of a call is over. The call fails with
/// [`Timeout`](isolated_workers_core::ErrorKind::Timeout) in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnTimeout {
    /// The worker is told: the handler's future is dropped. The default. A handler that never awaits goes on.
    #[default]
    Cancel,
    /// The worker is not told: the handler goes on to its end.
    Abandon,
    /// The worker is killed and started again: the only way to end a busy loop. What else was in flight fails or is
    /// made again as [`OnCrash`](crate::OnCrash) says.
    Kill,
}

/// QueueStats for `limit`, or for ever where it is zero.
pub(crate) async fn elapsed(limit: Duration) {
    if limit.is_zero() { std::future::pending().await } else { tokio::time::sleep(limit).await }
}
