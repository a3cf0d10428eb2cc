use std::time::Duration;

use isolated_workers_core::{Error, ErrorKind, Request, Response};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

use crate::{Middleware, Service};

/// Limits the number of calls per period. Further calls wait in order of arrival, or are refused.
///
/// The limit is a token bucket. It starts full, so that a burst can pass, and is refilled at a
/// constant rate. A call that is dropped while it waits takes no token.
///
/// ```
/// use isolated_workers_middleware::RateLimit;
/// use std::time::Duration;
///
/// let waits = RateLimit::new(100, Duration::from_secs(1));
/// let refuses = RateLimit::new(100, Duration::from_secs(1)).refusing();
/// ```
#[derive(Debug)]
pub struct RateLimit {
    capacity: u32,
    /// Time in which one token is added.
    interval: Duration,
    refuses: bool,
    /// The mutex is fair, so calls proceed in order of arrival. The call that waits for a token
    /// holds the lock.
    bucket: Mutex<Option<Bucket>>,
}

#[derive(Debug)]
struct Bucket {
    tokens: u32,
    /// Time at which the last token was added.
    filled: Instant,
}

impl RateLimit {
    /// Allows `count` calls per `period`, and bursts of `count` calls. Further calls wait. A
    /// `period` of zero sets no limit.
    ///
    /// # Panics
    /// Panics if `count` is 0.
    pub fn new(count: u32, period: Duration) -> Self {
        assert!(count > 0, "invalid `RateLimit` of 0: the count must be at least 1");
        Self { capacity: count, interval: period / count, refuses: false, bucket: Mutex::new(None) }
    }

    /// Refuses calls over the limit with an error of the kind `Overloaded` instead of making them
    /// wait.
    pub fn refusing(mut self) -> Self {
        self.refuses = true;
        self
    }

    /// Takes a token. Returns `false` if there is none and the layer refuses calls.
    async fn take(&self) -> bool {
        if self.interval.is_zero() {
            return true;
        }
        let mut bucket = self.bucket.lock().await;
        let bucket = bucket.get_or_insert_with(|| Bucket { tokens: self.capacity, filled: Instant::now() });
        bucket.fill(self.interval, self.capacity);
        if bucket.tokens == 0 {
            if self.refuses {
                return false;
            }
            sleep_until(bucket.filled + self.interval).await;
            bucket.fill(self.interval, self.capacity);
        }
        bucket.tokens = bucket.tokens.saturating_sub(1);
        true
    }
}

impl Bucket {
    fn fill(&mut self, interval: Duration, capacity: u32) {
        let now = Instant::now();
        let due = now.duration_since(self.filled).as_nanos() / interval.as_nanos();
        match u32::try_from(due).ok().filter(|due| *due < capacity - self.tokens) {
            Some(due) => {
                self.tokens += due;
                self.filled += interval * due;
            }
            // The bucket is full: extra tokens are lost, and the next interval starts now.
            None => *self = Self { tokens: capacity, filled: now },
        }
    }
}

impl Middleware for RateLimit {
    async fn handle<S: Service>(&self, request: Request, next: &S) -> Result<Response, Error> {
        if self.take().await {
            return next.call(request).await;
        }
        let period = self.interval * self.capacity;
        let text = format!(
            "`{}` was refused: the rate limit of {} per {period:?} was reached; call again later",
            request.name(),
            self.capacity
        );
        Err(Error::new(ErrorKind::Overloaded, text))
    }
}
