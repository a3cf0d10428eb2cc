//! What the callers of a pool and its owner share: the links to its workers, and, under one short lock, the scheduler and
//! those who wait for it.

use std::future::poll_fn;
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use hashbrown::HashMap;
use isolated_workers_codec::Codec;
use isolated_workers_core::Error;
use tokio::sync::{Notify, watch};

use super::gate::Gate;
use super::links::Links;
use super::memory::resident;
use super::refusal::{overdue, refused};
use super::scheduler::{Action, MemberId, Place, Refusal, Scheduler, Seats, Submitted, Ticket};
use super::seat::{Peer, Seat};
use super::view::Options;
use super::{QueueStats, Rules, Stats, WorkerId, WorkerStats};
use crate::driver::Driver;
use crate::host::crash_policy::random;
use crate::host::starter::Starter;
use crate::host::supervisor::Stop;
use crate::timeouts::elapsed;
use crate::{OnCrash, Status};

pub(super) struct Shared<C: Codec> {
    pub(super) codec: C,
    /// What is run, for errors.
    pub(super) subject: String,
    pub(super) on_crash: OnCrash,
    /// Whether a worker has one call at a time.
    pub(super) is_exclusive: bool,
    /// How many calls all workers have room for.
    pub(super) room: usize,
    /// How long a call may wait for a worker; zero is no limit.
    pub(super) queue_timeout: Duration,
    pub(super) links: Links<C>,
    /// How many seats a worker has.
    pub(super) seats: u32,
    pub(super) gate: Gate,
    state: Mutex<State<C>>,
    /// Wakes the owner.
    pub(super) notify: Notify,
    pub(super) stop: watch::Sender<Stop>,
    pub(super) stats: watch::Sender<Stats>,
    /// Set when all workers are gone: how many of them had to be killed because they did not end in time.
    pub(super) closed: watch::Sender<Option<usize>>,
}

pub(super) struct State<C: Codec> {
    pub(super) scheduler: Scheduler<Peer<C>>,
    waiting: HashMap<Ticket, Outcome<C>>,
    /// What the owner is to do.
    pub(super) orders: Vec<Order>,
    pub(super) waits: QueueStats,
    /// How the last worker ended that was not told to, or why one did not come up.
    pub(super) last_failure: Option<Error>,
}

pub(super) enum Order {
    Start(MemberId),
    Retire(MemberId),
}

enum Outcome<C: Codec> {
    Waiting(Waker),
    Granted(MemberId, Peer<C>),
    Refused(Refusal),
}

impl<C: Codec> Shared<C> {
    pub(super) fn new<D: Driver, T>(
        starter: &Starter<D, C, T>,
        rules: &Rules,
        queue_timeout: Duration,
    ) -> Self {
        let settings = &starter.settings;
        let state = State {
            scheduler: Scheduler::new(rules.clone(), random()),
            waiting: HashMap::new(),
            orders: Vec::new(),
            waits: QueueStats::default(),
            last_failure: None,
        };
        Self {
            codec: starter.codec.clone(),
            subject: starter.driver.subject(),
            on_crash: settings.on_crash,
            room: rules.max.saturating_mul(rules.max_in_flight as usize),
            is_exclusive: rules.max_in_flight == 1,
            queue_timeout,
            links: Links::new(rules.max),
            seats: rules.max_in_flight,
            gate: Gate::new(AtomicBool::new(true)),
            state: Mutex::new(state),
            notify: Notify::new(),
            stop: watch::Sender::new(Stop::Not),
            stats: watch::Sender::default(),
            closed: watch::Sender::new(None),
        }
    }

    /// No code of others runs under this lock, so that a panic cannot poison it.
    pub(super) fn lock(&self) -> MutexGuard<'_, State<C>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state, and passes on what the scheduler wants done.
    pub(super) fn update<T>(&self, change: impl FnOnce(&mut State<C>) -> T) -> T {
        let mut state = self.lock();
        let outcome = self.gate.while_crowded(&mut *state, change, |state| state.scheduler.is_crowded());
        if !state.scheduler.wants_owner() {
            return outcome;
        }
        let mut woken = Vec::new();
        state.settle(&mut woken);
        let wants_owner = state.scheduler.wants_owner() || !state.orders.is_empty();
        drop(state);
        woken.into_iter().for_each(Waker::wake);
        if wants_owner {
            self.notify.notify_one();
        }
        outcome
    }

    /// Takes a call in. It may run at once, or has to [`wait`](Self::wait) for its turn.
    pub(super) fn admit(&self, name: &str, options: Options) -> Result<Admission<'_, C>, Error> {
        let submitted = self.update(|state| {
            let submitted = state.scheduler.submit(options.target, options.priority);
            if let Ok(Submitted::Queued(ticket)) = submitted {
                state.waiting.insert(ticket, Outcome::Waiting(Waker::noop().clone()));
            }
            submitted
        });
        match submitted {
            Ok(Submitted::Run(id, peer)) => Ok(Admission::Run(Seat::of(self, id, peer))),
            Ok(Submitted::Queued(ticket)) => Ok(Admission::Wait(Turn { shared: self, ticket: Some(ticket) })),
            Err(refusal) => Err(refused(self, name, refusal)),
        }
    }

    #[cold]
    pub(super) fn vacated(&self, slot: usize) {
        self.update(|state| state.scheduler.vacated(slot));
    }

    /// QueueStats until a worker has room for the call.
    pub(super) async fn wait<'a>(&'a self, name: &str, mut turn: Turn<'a, C>) -> Result<Seat<'a, C>, Error> {
        let since = Instant::now();
        let outcome = tokio::select! {
            biased;
            outcome = poll_fn(|cx| turn.poll(cx)) => outcome,
            () = elapsed(self.queue_timeout) => return Err(overdue(self, name)),
        };
        self.lock().waits.add(since.elapsed());
        outcome.map_err(|refusal| refused(self, name, refusal))
    }

    pub(super) fn stats(&self) -> Stats {
        self.measured(self.lock().stats())
    }

    /// Whether a reload is over, and what went wrong last.
    pub(super) fn reloaded(&self, from: u64) -> (Option<bool>, Option<Error>) {
        let state = self.lock();
        (state.scheduler.reloaded(from), state.last_failure.clone())
    }

    /// Tells those who look on what has changed.
    pub(super) fn tell(&self) {
        let stats = self.lock().stats();
        if self.stats.borrow().is_news(&stats) {
            self.stats.send_replace(self.measured(stats));
        }
    }

    fn measured(&self, mut stats: Stats) -> Stats {
        // Outside of the lock: it reads files.
        for worker in &mut stats.workers {
            worker.memory = worker.pid.and_then(resident);
        }
        stats
    }

    pub(super) fn stop(&self, stop: Stop) {
        self.stop.send_if_modified(|wanted| {
            let more = stop > *wanted;
            *wanted = stop.max(*wanted);
            more
        });
    }
}

impl<C: Codec> State<C> {
    fn stats(&self) -> Stats {
        let worker = |(at, place): (usize, Place<'_, Peer<C>>)| WorkerStats {
            id: WorkerId(at),
            status: match place.active {
                Some(_) => Status::Active,
                None if place.is_starting => Status::Starting,
                None => Status::Closed,
            },
            pid: place.active.and_then(|(peer, _)| peer.pid),
            in_flight: place.in_flight,
            retiring: place.retiring,
            done: place.done,
            crashes: place.crashes,
            restarts: place.starts.saturating_sub(1),
            memory: None,
            age: place.active.map_or(Duration::ZERO, |(_, since)| since.elapsed()),
        };
        Stats {
            workers: self.scheduler.places().enumerate().map(worker).collect(),
            queued: self.scheduler.queued(),
            waits: self.waits,
            is_broken: self.scheduler.is_broken(),
        }
    }

    /// Takes the actions of the scheduler to those whom they concern.
    fn settle(&mut self, woken: &mut Vec<Waker>) {
        while let Some(action) = self.scheduler.next_action() {
            match action {
                Action::Run(ticket, id, peer) => self.settle_one(ticket, Outcome::Granted(id, peer), woken),
                Action::Fail(ticket, refusal) => self.settle_one(ticket, Outcome::Refused(refusal), woken),
                Action::Start(id) => self.orders.push(Order::Start(id)),
                Action::Retire(id) => self.orders.push(Order::Retire(id)),
            }
        }
    }

    fn settle_one(&mut self, ticket: Ticket, outcome: Outcome<C>, woken: &mut Vec<Waker>) {
        if let Some(Outcome::Waiting(waker)) = self.waiting.insert(ticket, outcome) {
            woken.push(waker);
        }
    }
}

/// What becomes of a call that is taken in.
pub(super) enum Admission<'a, C: Codec> {
    Run(Seat<'a, C>),
    Wait(Turn<'a, C>),
}

/// A call that waits. Dropping it gives the call up.
pub(super) struct Turn<'a, C: Codec> {
    shared: &'a Shared<C>,
    /// `None` when its wait is over.
    ticket: Option<Ticket>,
}

impl<'a, C: Codec> Turn<'a, C> {
    fn poll(&mut self, cx: &Context<'_>) -> Poll<Result<Seat<'a, C>, Refusal>> {
        let ticket = self.ticket.expect("a call that waits has a ticket");
        let mut state = self.shared.lock();
        match state.waiting.remove(&ticket) {
            Some(Outcome::Granted(id, peer)) => {
                self.ticket = None;
                Poll::Ready(Ok(Seat::of(self.shared, id, peer)))
            }
            Some(Outcome::Refused(refusal)) => {
                self.ticket = None;
                Poll::Ready(Err(refusal))
            }
            Some(Outcome::Waiting(_)) | None => {
                state.waiting.insert(ticket, Outcome::Waiting(cx.waker().clone()));
                Poll::Pending
            }
        }
    }
}

impl<C: Codec> Drop for Turn<'_, C> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            self.shared.update(|state| match state.waiting.remove(&ticket) {
                Some(Outcome::Granted(id, peer)) => {
                    peer.give_back();
                    state.scheduler.vacated(id.slot);
                }
                _ => state.scheduler.cancel(ticket),
            });
        }
    }
}
