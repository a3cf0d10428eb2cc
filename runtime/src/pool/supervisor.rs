//! The task that owns the workers of a pool, and does what the scheduler wants done with them.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use hashbrown::HashMap;
use isolated_workers_codec::Codec;
use isolated_workers_core::{Error, ExitReason, TxIdGenerator};
use isolated_workers_transport::Transport;
use tokio::sync::{oneshot, watch};
use tokio::time::{interval, sleep_until};

use super::memory::resident;
use super::scheduler::{HowEnded, MemberId};
use super::seat::Peer;
use super::shared::{Order, Shared};
use crate::Link;
use crate::driver::Driver;
use crate::host::starter::Starter;
use crate::host::supervisor::{Control, Ending, Stop};

/// How often the memory of workers is looked at that are to be replaced for it.
const LOOK: Duration = Duration::from_millis(500);

type Launched<D> = Result<Control<<D as Driver>::Running>, Error>;
type Started<D, C> = Pin<Box<dyn Future<Output = (MemberId, (usize, Link<C>), Launched<D>)> + Send>>;
type Ended = Pin<Box<dyn Future<Output = (MemberId, Ending)> + Send>>;

/// A worker that has come up.
struct Member<D: Driver> {
    pid: Option<u32>,
    control: Arc<Control<D::Running>>,
}

pub(super) struct Owner<D: Driver, C: Codec, T: Transport> {
    shared: Arc<Shared<C>>,
    starter: Arc<Starter<D, C, T>>,
    ids: Arc<dyn TxIdGenerator>,
    workers: HashMap<MemberId, Member<D>>,
    starting: FuturesUnordered<Started<D, C>>,
    ending: FuturesUnordered<Ended>,
    wanted: watch::Receiver<Stop>,
    /// Who waits for the first workers, and how many those are.
    ready: Option<(usize, oneshot::Sender<Result<(), Error>>)>,
    watches_memory: bool,
    /// How many did not end in time and were killed.
    killed: usize,
}

impl<D: Driver, C: Codec, T: Transport> Owner<D, C, T> {
    pub(super) fn new(
        shared: Arc<Shared<C>>,
        starter: Arc<Starter<D, C, T>>,
        ids: Arc<dyn TxIdGenerator>,
        ready: (usize, oneshot::Sender<Result<(), Error>>),
        watches_memory: bool,
    ) -> Self {
        Self {
            wanted: shared.stop.subscribe(),
            shared,
            starter,
            ids,
            workers: HashMap::new(),
            starting: FuturesUnordered::new(),
            ending: FuturesUnordered::new(),
            ready: Some(ready),
            watches_memory,
            killed: 0,
        }
    }

    pub(super) async fn run(mut self) {
        let mut look = interval(LOOK);
        let mut stop = Stop::Not;
        while stop < Stop::Close {
            let wake = self.obey();
            self.shared.tell();
            if stop == Stop::Drain && self.shared.lock().scheduler.is_idle() {
                break;
            }
            let wake = async {
                match wake {
                    Some(at) => sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                Ok(()) = self.wanted.changed() => {
                    stop = *self.wanted.borrow_and_update();
                    self.shared.update(|state| state.scheduler.drain());
                }
                Some((id, ending)) = self.ending.next() => self.ended(id, ending),
                Some((id, link, launched)) = self.starting.next() => self.started(id, link, launched),
                () = self.shared.notify.notified() => {}
                _ = look.tick(), if self.watches_memory => self.look(),
                () = wake => {}
            }
        }
        self.close().await;
    }

    /// Does what the scheduler wants done. Returns when to ask it again.
    fn obey(&mut self) -> Option<Instant> {
        let (orders, wake) = self.shared.update(|state| {
            let wake = state.scheduler.poll(Instant::now());
            (std::mem::take(&mut state.orders), wake)
        });
        // What the poll has asked for has come to the list by now.
        let more = std::mem::take(&mut self.shared.lock().orders);
        for order in orders.into_iter().chain(more) {
            match order {
                Order::Start(id) => {
                    let (starter, ids) = (Arc::clone(&self.starter), Arc::clone(&self.ids));
                    let (at, link) = self.shared.links.unused(id.slot, || starter.link(ids));
                    self.starting.push(Box::pin(async move {
                        let launched = starter.launch(link.clone()).await;
                        (id, (at, link), launched)
                    }));
                }
                Order::Retire(id) => {
                    if let Some(member) = self.workers.get(&id) {
                        // Oneway messages that were sent are still to be read.
                        member.control.stop(Stop::Drain);
                    }
                }
            }
        }
        wake
    }

    fn started(&mut self, id: MemberId, (at, link): (usize, Link<C>), launched: Launched<D>) {
        let now = Instant::now();
        match launched {
            Ok(control) => {
                let pid = control.identity().pid.into();
                let control = Arc::new(control);
                self.workers.insert(id, Member { pid, control: Arc::clone(&control) });
                self.ending.push(Box::pin(async move { (id, control.ended().await) }));
                let active = self.shared.update(|state| {
                    state.scheduler.started(id, Peer { link, at, pid }, now);
                    state.scheduler.active()
                });
                self.shared.links.show(id.slot, at);
                if let Some((_, ready)) = self.ready.take_if(|(least, _)| *least <= active) {
                    let _ = ready.send(Ok(()));
                }
            }
            Err(error) => {
                tracing::warn!("a worker of a pool did not come up: {error:#}");
                if let Some((_, ready)) = self.ready.take() {
                    let _ = ready.send(Err(error.clone()));
                }
                self.shared.update(|state| {
                    state.last_failure = Some(error);
                    state.scheduler.start_failed(id, now);
                });
            }
        }
    }

    fn ended(&mut self, id: MemberId, ending: Ending) {
        self.workers.remove(&id);
        self.killed += usize::from(ending.killed_after_grace);
        let how = match ending.reason {
            ExitReason::Exited(0) => HowEnded::Normal,
            ExitReason::Overran => HowEnded::Overran,
            _ => HowEnded::Crashed,
        };
        self.shared.update(|state| {
            if let Some(crash) = ending.crash {
                tracing::warn!(pid = crash.pid, reason = %crash.reason, "a worker of a pool has ended");
                state.last_failure = Some(Error::crashed(crash));
            }
            state.scheduler.ended(id, how, Instant::now());
        });
    }

    fn look(&self) {
        let memory = self.workers.iter().filter_map(|(id, member)| Some((*id, resident(member.pid?)?)));
        let memory: Vec<_> = memory.collect();
        self.shared.update(|state| {
            for (id, bytes) in memory {
                state.scheduler.resident(id, bytes);
            }
        });
    }

    /// Ends all workers, and returns when they are gone.
    async fn close(mut self) {
        self.shared.update(|state| state.scheduler.close());
        // Those that are not up yet are killed.
        self.starting.clear();
        loop {
            let stop = (*self.wanted.borrow_and_update()).max(Stop::Drain);
            self.workers.values().for_each(|member| member.control.stop(stop));
            tokio::select! {
                ended = self.ending.next() => match ended {
                    Some((id, ending)) => self.ended(id, ending),
                    None => break,
                },
                Ok(()) = self.wanted.changed() => {}
            }
        }
        self.shared.closed.send_replace(Some(self.killed));
        self.shared.stats.send_replace(self.shared.stats());
    }
}
