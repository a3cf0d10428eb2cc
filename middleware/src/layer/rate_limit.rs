use std::time::Duration;

use isolated_workers_core::{Error, ErrorKind, Request, Response};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

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
    count: u32,
    period: Duration,
    refuses: bool,
    /// The mutex is fair, so calls proceed in order of arrival. The call that waits for a token
    /// holds the lock.
    bucket: Mutex<Option<Bucket>>,
}

/// Token bucket. A token is worth the nanoseconds of the period, and each nanosecond adds the
/// count. So a rate of many calls per nanosecond is exact, too.
#[derive(Debug)]
struct Bucket {
    credit: u128,
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
        let token = self.period.as_nanos();
        let mut bucket = self.bucket.lock().await;
        let bucket = bucket.get_or_insert_with(|| Bucket { credit: self.capacity(), filled: Instant::now() });
        self.fill(bucket);
        if let Some(missing) = token.checked_sub(bucket.credit).filter(|missing| *missing > 0) {
            if self.refuses {
                return false;
            }
            let nanos = missing.div_ceil(self.count.into());
            // A wait of more than 584 years has no end.
            sleep(u64::try_from(nanos).map_or(Duration::MAX, Duration::from_nanos)).await;
            self.fill(bucket);
        }
        bucket.credit = bucket.credit.saturating_sub(token);
        true
    }

    /// Credit of a full bucket. It cannot overflow: a period has less than 2^94 nanoseconds.
    fn capacity(&self) -> u128 {
        self.period.as_nanos() * u128::from(self.count)
    }

    fn fill(&self, bucket: &mut Bucket) {
        let now = Instant::now();
        let earned = now.duration_since(bucket.filled).as_nanos() * u128::from(self.count);
        *bucket = Bucket { credit: (bucket.credit + earned).min(self.capacity()), filled: now };
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
