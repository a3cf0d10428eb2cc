use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use isolated_workers_core::{Error, ErrorKind, Request, Response};
use tokio::time::{Instant, sleep};

use crate::{Middleware, Service};

/// Limits the number of calls per period. Further calls wait in order of arrival, or are refused.
///
/// The limit is a token bucket. It starts full, so that a burst can pass, and is refilled at a
/// constant rate. A waiting call has a token of its own, so a call whose future is not polled
/// delays no other call. A call that is dropped while it waits returns its token. Waiting needs a
/// tokio runtime with timers.
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
    count: u32,
    period: Duration,
    refuses: bool,
    bucket: Mutex<Option<Bucket>>,
}

/// Token bucket. A token is worth the nanoseconds of the period, and each nanosecond adds the
/// count. So a rate of many calls per nanosecond is exact, too.
#[derive(Debug)]
struct Bucket {
    /// Negative if calls wait: each has taken a token in advance.
    credit: i128,
    filled: Instant,
}

/// Token of a waiting call. Returned if it is dropped.
struct Token<'a>(&'a RateLimit);

impl Drop for Token<'_> {
    fn drop(&mut self) {
        if let Some(bucket) = &mut *self.0.lock() {
            bucket.credit = bucket.credit.saturating_add(self.0.token()).min(self.0.capacity());
        }
    }
}

impl RateLimit {
    /// Allows `count` calls per `period`, and bursts of `count` calls. Further calls wait. A
    /// `period` of zero sets no limit.
    ///
    /// # Panics
    /// Panics if `count` is 0.
    pub fn new(count: u32, period: Duration) -> Self {
        assert!(count > 0, "invalid `RateLimit` of 0: the count must be at least 1");
        Self { count, period, refuses: false, bucket: Mutex::new(None) }
    }

    /// Refuses calls over the limit with an error of the kind `Overloaded` instead of making them
    /// wait.
    pub fn refusing(mut self) -> Self {
        self.refuses = true;
        self
    }

    /// Takes a token. Returns `false` if there is none and the layer refuses calls.
    async fn take(&self) -> bool {
        match self.reserve() {
            None => return false,
            Some(Duration::ZERO) => {}
            Some(wait) => {
                let token = Token(self);
                sleep(wait).await;
                std::mem::forget(token);
            }
        }
        true
    }

    /// Takes a token, and returns the time until it may be used. `None` if there is none and the
    /// layer refuses calls.
    fn reserve(&self) -> Option<Duration> {
        let mut bucket = self.lock();
        let bucket = bucket.get_or_insert_with(|| Bucket { credit: self.capacity(), filled: Instant::now() });
        self.fill(bucket);
        let credit = bucket.credit.saturating_sub(self.token());
        if credit < 0 && self.refuses {
            return None;
        }
        bucket.credit = credit;
        let nanos = credit.min(0).unsigned_abs().div_ceil(self.count.into());
        // A wait of more than 584 years has no end.
        Some(u64::try_from(nanos).map_or(Duration::MAX, Duration::from_nanos))
    }

    fn lock(&self) -> MutexGuard<'_, Option<Bucket>> {
        self.bucket.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Credit that a call takes. It cannot overflow: a period has less than 2^94 nanoseconds.
    fn token(&self) -> i128 {
        self.period.as_nanos() as i128
    }

    /// Credit of a full bucket. It cannot overflow, because the count has 32 bits.
    fn capacity(&self) -> i128 {
        self.token() * i128::from(self.count)
    }

    fn fill(&self, bucket: &mut Bucket) {
        let now = Instant::now();
        let nanos = now.duration_since(bucket.filled).as_nanos() as i128;
        let earned = nanos.saturating_mul(self.count.into());
        *bucket = Bucket { credit: bucket.credit.saturating_add(earned).min(self.capacity()), filled: now };
    }
}

impl Middleware for RateLimit {
    async fn handle<S: Service>(&self, request: Request, next: &S) -> Result<Response, Error> {
        if self.take().await {
            return next.call(request).await;
        }
        let Self { count, period, .. } = self;
        let text = format!(
            "`{}` was refused: the rate limit of {count} per {period:?} was reached; call again later",
            request.name()
        );
        Err(Error::new(ErrorKind::Overloaded, text))
    }
}
