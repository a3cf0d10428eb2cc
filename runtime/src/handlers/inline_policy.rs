//! Choice between running a handler inline, in the connection task, and spawning a task for it.

use std::time::{Duration, Instant};

use isolated_workers_core::Name;

/// Time until its first await above which a handler counts as slow.
const SLOW_START: Duration = Duration::from_micros(200);

/// Number of slow starts in a row after which a message is spawned. A handler that was interrupted
/// once stays inline.
const MAX_SLOW_STARTS: u32 = 3;

/// Number of calls after which a spawned message runs inline once, in case it has become fast.
const RETRY_INTERVAL_CALLS: u32 = 256;

/// Number of handlers timed one by one after a batch was slow.
const TIMED_CALLS: u32 = 256;

/// Maximum number of messages that are known to be slow. The peer chooses the names of its
/// requests.
const MAX_SLOW_MESSAGES: usize = 64;

/// Size in bytes of a name above which nothing is learned about its messages.
const MAX_NAME_BYTES: usize = 256;

/// Learns which messages should not run inline, because their handlers block and would delay other
/// answers.
///
/// Reading the clock costs as much as a small handler. Handlers that arrive together are therefore
/// timed as a batch. They are timed one by one only after a slow batch, and while any message is
/// known to be slow.
#[derive(Debug, Default)]
pub(super) struct InlinePolicy {
    slow: Vec<SlowMessage>,
    /// Start of the current handler, or of its batch.
    began: Option<Instant>,
    /// Number of handlers still to be timed one by one.
    timed_calls_left: u32,
    /// Number of handlers that the batch has run, and the message of the last one.
    ran: u32,
    last: Option<Name>,
}

/// Message whose last start was slow.
#[derive(Debug)]
struct SlowMessage {
    name: Name,
    slow_starts: u32,
    spawned: u32,
}

impl InlinePolicy {
    /// Returns `true` if the next handler of this message should run inline.
    pub(super) fn is_inline(&mut self, name: &str) -> bool {
        let Some(slow) = self.slow.iter_mut().find(|slow| slow.name.as_str() == name) else { return true };
        if slow.slow_starts < MAX_SLOW_STARTS {
            return true;
        }
        slow.spawned = (slow.spawned + 1) % RETRY_INTERVAL_CALLS;
        slow.spawned == 0
    }

    /// Begins a batch of handlers.
    pub(super) fn begin_batch(&mut self, now: Instant) {
        self.began = Some(now);
        self.ran = 0;
    }

    /// Records that a handler of this message has reached its first await, or its end.
    pub(super) fn record(&mut self, name: Name) {
        if self.timed_calls_left == 0 && self.slow.is_empty() {
            self.ran += 1;
            self.last = Some(name);
            return;
        }
        self.timed_calls_left = self.timed_calls_left.saturating_sub(1);
        let took = self.lap();
        self.learn(&name, took);
    }

    /// Ends the batch.
    pub(super) fn end_batch(&mut self) {
        let Some(last) = self.last.take() else { return };
        let took = self.lap();
        match self.ran {
            1 => self.learn(&last, took),
            _ if took > SLOW_START => self.timed_calls_left = TIMED_CALLS,
            _ => {}
        }
    }

    fn lap(&mut self) -> Duration {
        let now = Instant::now();
        self.began.replace(now).map_or(Duration::ZERO, |began| now - began)
    }

    /// Records how long a handler took before its first await, or its end.
    fn learn(&mut self, name: &Name, took: Duration) {
        let known = self.slow.iter().position(|slow| slow.name == *name);
        match (took > SLOW_START, known) {
            (true, Some(at)) => self.slow[at].slow_starts = self.slow[at].slow_starts.saturating_add(1),
            (true, None) => self.add(name),
            (false, Some(at)) => drop(self.slow.swap_remove(at)),
            (false, None) => {}
        }
    }

    /// Adds a message whose first start was slow. If there are too many, it replaces the one with
    /// the fewest slow starts.
    #[cold]
    fn add(&mut self, name: &Name) {
        if name.as_str().len() > MAX_NAME_BYTES {
            return;
        }
        if self.slow.len() >= MAX_SLOW_MESSAGES {
            let starts = |at: &usize| self.slow[*at].slow_starts;
            (0..self.slow.len()).min_by_key(starts).map(|at| self.slow.swap_remove(at));
        }
        self.slow.push(SlowMessage { name: name.clone(), slow_starts: 1, spawned: 0 });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_that_is_slow_repeatedly_is_spawned_until_it_is_fast() {
        let (mut policy, name) = (InlinePolicy::default(), Name::from_static("scale"));
        let (slow, fast) = (2 * SLOW_START, SLOW_START / 2);
        for took in [slow, slow, fast, slow, slow] {
            policy.learn(&name, took);
            assert!(policy.is_inline("scale"));
        }
        policy.learn(&name, slow);
        let spawned = (1..RETRY_INTERVAL_CALLS).filter(|_| !policy.is_inline("scale")).count();
        assert_eq!(spawned, 255);
        assert!(policy.is_inline("scale"), "tried inline again");
        assert!(policy.is_inline("other"));
        policy.learn(&name, fast);
        assert!(policy.is_inline("scale"));
    }

    #[test]
    fn names_of_a_hostile_peer_take_bounded_memory_and_displace_no_slow_message() {
        let (mut policy, name) = (InlinePolicy::default(), Name::from_static("scale"));
        for _ in 0..MAX_SLOW_STARTS {
            policy.learn(&name, 2 * SLOW_START);
        }
        for number in 0..10_000 {
            policy.learn(&Name::from(&*format!("unknown {number}")), 2 * SLOW_START);
            policy.learn(&Name::from(&*format!("{number:300}")), 2 * SLOW_START);
        }
        assert_eq!(policy.slow.len(), MAX_SLOW_MESSAGES);
        assert!(policy.slow.iter().all(|slow| slow.name.as_str().len() <= MAX_NAME_BYTES));
        assert!(!policy.is_inline("scale"));
    }

    #[test]
    fn handlers_that_were_slow_together_are_timed_one_by_one() {
        let long_ago = || Instant::now() - 2 * SLOW_START;
        let (mut policy, name) = (InlinePolicy::default(), Name::from_static("scale"));
        policy.begin_batch(long_ago());
        policy.record(name.clone());
        policy.record(Name::from_static("other"));
        policy.end_batch();
        assert!(policy.slow.is_empty(), "either of the two may have been slow");
        for _ in 0..MAX_SLOW_STARTS {
            assert!(policy.is_inline("scale"));
            policy.begin_batch(long_ago());
            policy.record(name.clone());
            policy.end_batch();
        }
        assert!(!policy.is_inline("scale"));
    }
}
