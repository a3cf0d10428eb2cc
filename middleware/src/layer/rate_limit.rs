use std::time::Duration;

use isolated_workers_core::{Error, ErrorKind, Request, Response};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

use crate::{Middleware, Service};

/// Limits the number of calls per period. Further calls wait in order, or are refused.
///
/// It is a bucket of tokens: full at first, so that a burst may go at once, and filled up evenly. A
/// call that is dropped while it waits takes none.
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
    /// From one token to the next.
    interval: Duration,
    refuses: bool,
    /// Fair, so that calls go in the order in which they came. The one that waits for a token holds
    /// it.
    bucket: Mutex<Option<Bucket>>,
}

#[derive(Debug)]
struct Bucket {
    tokens: u32,
    /// Time at which the last token was added.
    filled: Instant,
}

impl RateLimit {
    /// `count` calls in each `period`, and as many in a burst. Those that are too many wait.
    ///
    /// # Panics
    /// With a count of 0, under which nothing would ever go.
    pub fn new(count: u32, period: Duration) -> Self {
        assert!(count > 0, "a `RateLimit` of 0 lets nothing go");
        Self { capacity: count, interval: period / count, refuses: false, bucket: Mutex::new(None) }
    }

    /// Refuses calls that are too many with an error of the kind `Overloaded`, instead of having
    /// them wait.
    pub fn refusing(mut self) -> Self {
        self.refuses = true;
        self
    }

    /// Takes a token, or tells that there is none yet.
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
            // What does not fit in is lost, and the next one begins to fill now.
            None => *self = Self { tokens: capacity, filled: now },
        }
    }
}

impl Middleware for RateLimit {
    async fn handle<S: Service>(&self, request: Request, next: &S) -> Result<Response, Error> {
        if self.take().await {
            return next.call(request).await;
        }
        let rate = self.interval * self.capacity;
        let text = format!(
            "`{}` was refused: {} calls have begun within {rate:?}; call again later",
            request.name(),
            self.capacity
        );
        Err(Error::new(ErrorKind::Overloaded, text))
    }
}
