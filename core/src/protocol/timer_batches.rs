use std::time::{Duration, Instant};

/// Start times of calls, batched.
///
/// Calls made between two clock reads share a batch and its start time. A call stores only the
/// number of its batch, so a batch of calls costs one clock read.
#[derive(Debug, Default)]
pub(super) struct TimerBatches {
    /// Start time of each batch. The first entry belongs to batch number `first`.
    started: Vec<Instant>,
    first: u64,
    /// Shortest timeout in the batch that has not started yet. `None` if that batch is empty.
    shortest: Option<Duration>,
}

/// Timeout of one call.
#[derive(Clone, Copy, Debug)]
pub(super) struct CallTimer {
    pub(super) timeout: Duration,
    pub(super) expiry: Expiry,
}

/// Time at which a call expires.
#[derive(Clone, Copy, Debug)]
pub(super) enum Expiry {
    /// The timeout runs from the start of this batch.
    AfterBatch(u64),
    At(Instant),
    /// Beyond the range of `Instant`.
    Never,
}

/// Number of batches at which every call gets its absolute deadline and the batches are dropped.
const MAX_BATCHES: usize = 1024;

impl TimerBatches {
    /// Adds a call to the batch that starts next.
    #[inline]
    pub(super) fn add(&mut self, timeout: Duration) -> CallTimer {
        self.shortest = Some(self.shortest.map_or(timeout, |shortest| shortest.min(timeout)));
        CallTimer { timeout, expiry: Expiry::AfterBatch(self.first + self.started.len() as u64) }
    }

    /// Returns `true` if the next batch has calls and has not started yet.
    #[inline]
    pub(super) fn has_unstarted(&self) -> bool {
        self.shortest.is_some()
    }

    /// Starts the next batch. Returns its earliest deadline. `None` if the batch is empty or the
    /// deadline is beyond the range of `Instant`.
    pub(super) fn start(&mut self, now: Instant) -> Option<Instant> {
        let shortest = self.shortest.take()?;
        self.started.push(now);
        now.checked_add(shortest)
    }

    /// Replaces the batch number in `timer` with a deadline if the batch has started.
    pub(super) fn resolve(&self, timer: &mut CallTimer) {
        let Expiry::AfterBatch(batch) = timer.expiry else { return };
        let index = batch.checked_sub(self.first).and_then(|index| usize::try_from(index).ok());
        if let Some(start) = index.and_then(|index| self.started.get(index)) {
            timer.expiry = start.checked_add(timer.timeout).map_or(Expiry::Never, Expiry::At);
        }
    }

    /// Returns `true` if the batches should be resolved and dropped.
    pub(super) fn is_full(&self) -> bool {
        self.started.len() >= MAX_BATCHES
    }

    /// Drops the batches that have started. Every call must have been resolved.
    pub(super) fn drop_started(&mut self) {
        self.first += self.started.len() as u64;
        self.started.clear();
    }
}
