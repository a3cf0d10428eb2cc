use std::sync::atomic::{AtomicU64, Ordering};

/// Cost of a retry in tokens. Each call adds `percent` tokens.
const RETRY_TOKENS: u64 = 100;

/// Token bucket that calls fill and retries drain. Retries stay a fraction of the calls even if
/// every call fails.
#[derive(Debug)]
pub(super) struct RetryBudget {
    percent: u64,
    capacity: u64,
    tokens: AtomicU64,
}

impl RetryBudget {
    /// Creates a full bucket.
    pub(super) fn new(percent: u32, reserve: u32) -> Self {
        let capacity = u64::from(reserve) * RETRY_TOKENS;
        Self { percent: percent.into(), capacity, tokens: AtomicU64::new(capacity) }
    }

    /// Adds the tokens of one call.
    pub(super) fn deposit(&self) {
        self.update(|tokens| Some((tokens + self.percent).min(self.capacity)));
    }

    /// Pays for a retry. Returns `false` if the budget is exhausted.
    pub(super) fn withdraw(&self) -> bool {
        self.update(|tokens| tokens.checked_sub(RETRY_TOKENS))
    }

    fn update(&self, change: impl Fn(u64) -> Option<u64>) -> bool {
        self.tokens.fetch_update(Ordering::Relaxed, Ordering::Relaxed, change).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_calls_pay_for_a_retry() {
        let budget = RetryBudget::new(20, 2);
        assert_eq!([(); 3].map(|()| budget.withdraw()), [true, true, false]);
        (0..4).for_each(|_| budget.deposit());
        assert!(!budget.withdraw());
        budget.deposit();
        assert_eq!([(); 2].map(|()| budget.withdraw()), [true, false]);
    }

    #[test]
    fn the_reserve_limits_saved_up_retries() {
        let budget = RetryBudget::new(50, 1);
        (0..100).for_each(|_| budget.deposit());
        assert_eq!([(); 2].map(|()| budget.withdraw()), [true, false]);
    }
}
