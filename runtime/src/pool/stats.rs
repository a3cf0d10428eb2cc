//! Statistics of a pool and of its workers.

use std::time::Duration;

use isolated_workers_core::Error;

use super::WorkerId;
use crate::Status;

/// Snapshot of a pool.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Statistics of each slot, in the order of the worker ids.
    pub workers: Vec<WorkerStats>,
    /// Workers that wait to take the place of another. See
    /// [`PoolBuilder::spare`](crate::PoolBuilder::spare).
    pub spares: SpareStats,
    /// Number of calls and checkouts that wait for a worker.
    pub queued: usize,
    /// Waiting times of calls.
    pub waits: QueueStats,
    /// `true` if more workers were lost than the restart limit allows, and none has come up since.
    pub is_broken: bool,
}

impl Stats {
    /// Returns `true` if workers have come or gone between `self` and `now`.
    pub(super) fn workers_changed(&self, now: &Self) -> bool {
        let lives = |stats: &Self| {
            let life = |worker: &WorkerStats| {
                let WorkerStats { status, pid, restarts, crashes, killed, hung, retiring, .. } = *worker;
                (status, pid, restarts, crashes, killed, hung, retiring)
            };
            stats.workers.iter().map(life).collect::<Vec<_>>()
        };
        self.is_broken != now.is_broken || self.spares != now.spares || lives(self) != lives(now)
    }

    /// Returns the number of workers that were started to replace earlier workers, for any reason.
    pub fn restarts(&self) -> u64 {
        self.workers.iter().map(|worker| worker.restarts).sum()
    }

    /// Returns the number of workers that are [checked out](crate::Pool::checkout).
    pub fn checked_out(&self) -> usize {
        self.workers.iter().map(|worker| worker.checked_out).sum()
    }

    /// Returns the number of calls that timed out in a worker.
    pub fn timeouts(&self) -> u64 {
        self.workers.iter().map(|worker| worker.timeouts).sum()
    }

    /// Returns the number of workers that were [killed](WorkerStats::killed).
    pub fn killed(&self) -> u64 {
        self.workers.iter().map(|worker| worker.killed).sum()
    }

    /// Returns the number of workers that were [hung](WorkerStats::hung).
    pub fn hung(&self) -> u64 {
        self.workers.iter().map(|worker| worker.hung).sum()
    }
}

/// Snapshot of the spares of a pool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SpareStats {
    /// Number of spares that have come up and wait.
    pub ready: usize,
    /// Number of spares that are starting.
    pub starting: usize,
    /// Process ids of the spares that wait, the oldest first, if they are processes.
    pub pids: Vec<u32>,
    /// Number of spares that crashed while they waited, or did not come up.
    pub crashes: u64,
}

/// Waiting times of calls that did not get a worker immediately.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueueStats {
    /// Number of calls that waited.
    pub count: u64,
    /// Sum of the waiting times.
    pub total: Duration,
    /// Longest waiting time.
    pub longest: Duration,
}

impl QueueStats {
    pub(super) fn add(&mut self, wait: Duration) {
        self.count += 1;
        self.total += wait;
        self.longest = self.longest.max(wait);
    }
}

/// Snapshot of a worker of a pool, with totals that include its predecessors in the same slot.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct WorkerStats {
    /// Id of the worker, which its successors keep.
    pub id: WorkerId,
    /// `Starting`, `Active`, or `Closed` if there is no worker now.
    pub status: Status,
    /// Process id, if the worker is a process.
    pub pid: Option<u32>,
    /// Number of calls in flight. A session counts as one call, whatever it calls.
    pub in_flight: u32,
    /// Number of calls that were given up, because they timed out or were dropped, and whose
    /// handlers have not ended. Each keeps its permit.
    pub given_up: u32,
    /// Number of replaced workers that still finish their calls.
    pub retiring: usize,
    /// Number of workers, also replaced ones, that are [checked out](crate::Pool::checkout).
    pub checked_out: usize,
    /// Number of calls that have ended, including those of predecessors.
    pub done: u64,
    /// Number of calls that timed out after the worker had got them. Calls that were dropped do not
    /// count, and neither do those that timed out in the queue.
    pub timeouts: u64,
    /// Number of workers that crashed or did not come up.
    pub crashes: u64,
    /// Number of workers that were killed because a call timed out
    /// ([`OnTimeout::Kill`](crate::OnTimeout)), because they were [hung](Self::hung), or because
    /// they answered no ping ([`Heartbeat`](crate::Heartbeat)). Only the last count as crashes,
    /// too.
    pub killed: u64,
    /// Number of workers that were hung: they did not end a cancelled call within
    /// [`Timeouts::cancel`](crate::Timeouts::cancel), or answered no ping.
    pub hung: u64,
    /// Error of the last worker that crashed, was killed or did not come up. Its
    /// [`crash`](Error::crash) has the details. `None` if there was none.
    pub last_error: Option<Error>,
    /// Number of workers that came up after the first one in this slot.
    pub restarts: u64,
    /// Resident memory of the process in bytes. Only on Linux.
    pub memory: Option<u64>,
    /// Time since the worker came up.
    pub age: Duration,
}
