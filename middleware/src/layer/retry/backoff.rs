use std::time::Duration;

/// Delay before the next attempt.
#[derive(Clone, Copy, Debug)]
pub(super) struct Backoff {
    first: Duration,
    longest: Duration,
}

impl Backoff {
    pub(super) fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest }
    }

    /// Waits before the next attempt. `retries` is the number of retries so far.
    pub(super) async fn wait(&self, retries: u32, random: u64) {
        let delay = self.delay(retries, random);
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
    }

    /// Returns a random delay between zero and the limit of this retry ("full jitter"):
    /// <https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>
    fn delay(&self, retries: u32, random: u64) -> Duration {
        let limit =
            self.first.saturating_mul(1_u32.checked_shl(retries).unwrap_or(u32::MAX)).min(self.longest);
        // The product may be rounded up to more than the longest duration.
        Duration::try_from_secs_f64(limit.as_secs_f64() * (random as f64 / u64::MAX as f64)).unwrap_or(limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_doubles_up_to_the_longest_delay() {
        let backoff = Backoff::new(Duration::from_millis(10), Duration::from_secs(1));
        let limits =
            [0, 1, 2, 6, 7, 31, 32, u32::MAX].map(|retries| backoff.delay(retries, u64::MAX).as_millis());
        assert_eq!(limits, [10, 20, 40, 640, 1000, 1000, 1000, 1000]);
    }

    #[test]
    fn the_delay_is_random_between_zero_and_the_limit() {
        let backoff = Backoff::new(Duration::from_millis(10), Duration::from_secs(1));
        assert_eq!(backoff.delay(3, 0), Duration::ZERO);
        assert_eq!(backoff.delay(3, u64::MAX / 2).as_millis(), 40);
        assert_eq!(Backoff::new(Duration::ZERO, Duration::MAX).delay(40, u64::MAX), Duration::ZERO);
        assert_eq!(Backoff::new(Duration::MAX, Duration::MAX).delay(3, u64::MAX), Duration::MAX);
    }
}
