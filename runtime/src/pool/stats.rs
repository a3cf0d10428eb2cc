use std::time::Duration;

use super::WorkerId;
use crate::Status;

/// What a pool is doing, at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// One for each worker that the pool may have, in the order of their ids.
    pub workers: Vec<WorkerStats>,
    /// How many calls wait for a worker.
    pub queued: usize,
    /// How long calls have waited.
    pub waits: QueueStats,
    /// Whether workers keep crashing, more often than the restart limit allows, and no new one has come up since.
    pub is_broken: bool,
}

impl Stats {
    /// Whether workers have come or gone since `self`.
    pub(super) fn is_news(&self, now: &Self) -> bool {
        let fates = |stats: &Self| {
            let fate = |worker: &WorkerStats| {
                (worker.status, worker.pid, worker.restarts, worker.crashes, worker.retiring)
            };
            stats.workers.iter().map(fate).collect::<Vec<_>>()
        };
        self.is_broken != now.is_broken || fates(self) != fates(now)
    }

    /// How many workers have been started in place of others, for whatever reason.
    pub fn restarts(&self) -> u64 {
        self.workers.iter().map(|worker| worker.restarts).sum()
    }
}

/// How long calls have waited for a worker that did not have one at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueueStats {
    /// How many calls have waited.
    pub count: u64,
    /// How long, all together.
    pub total: Duration,
    /// How long the one that waited longest.
    pub longest: Duration,
}

impl QueueStats {
    pub(super) fn add(&mut self, wait: Duration) {
        self.count += 1;
        self.total += wait;
        self.longest = self.longest.max(wait);
    }
}

/// What a worker of a pool is doing, and what has become of those before it in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerStats {
    /// What it is addressed by.
    pub id: WorkerId,
    /// `Starting`, `Active`, or `Closed` where there is none now.
    pub status: Status,
    /// Its process, where it is one.
    pub pid: Option<u32>,
    /// How many calls it has now.
    pub in_flight: u32,
    /// How many that it has replaced are still there, to finish what they are at.
    pub retiring: usize,
    /// How many calls have ended there, those of earlier workers included.
    pub done: u64,
    /// How many workers have crashed there or did not come up.
    pub crashes: u64,
    /// How many workers have come up after the first.
    pub restarts: u64,
    /// The resident memory of its process in bytes, where the system tells: on Linux.
    pub memory: Option<u64>,
    /// How long it has been there.
    pub age: Duration,
}
