//! The task that owns a worker's process and connection, sees both to their end, and starts the next where one is
//! wanted.

mod control;

use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

use isolated_workers_codec::Codec;
use isolated_workers_core::{Crash, Error, ErrorKind, ExitReason};
use isolated_workers_transport::{Cleanup, DeferredListener, Transport};
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

use self::control::Order;
pub(crate) use self::control::{Command, Control, Ending, Identity, Pumping, Stop};
use crate::Status;
use crate::connection::{End, Link, Nobody, Presence, Pump};
use crate::driver::{Address, Driver, Running};
use crate::host::crash_policy::random;
use crate::host::starter::{Greeted, Started, Starter};
use crate::timeouts::elapsed;

/// How long a process that has ended its connection may take to end itself before it is killed.
pub(crate) const LIMBO: Duration = Duration::from_secs(1);

/// How long the stream of a process that has ended is still read. It ends with the process, unless a child of that
/// holds it open.
pub(crate) const LAST_WORDS: Duration = Duration::from_millis(20);

/// How long a worker may take to confirm that it stays.
const LEAVE: Duration = Duration::from_secs(5);

/// What "no limit" is on the wire: 136 years.
pub(crate) const FOREVER: Duration = Duration::from_secs(u32::MAX as u64);

/// A worker that was active for so long did not die young.
pub(crate) const GROWN_UP: Duration = Duration::from_secs(5);

/// How many starts in a row may fail before a worker is given up that was there before.
const STARTS: u32 = 5;

/// Starts the task.
pub(crate) fn supervise<D: Driver, C: Codec, T: Transport>(
    starter: Arc<Starter<D, C, T>>,
    running: D::Running,
    (deferred_listener, cleanup): (Option<DeferredListener>, Option<Cleanup>),
    address: Address,
    link: Link<C>,
    pump: Pumping,
    (status, watched): (watch::Sender<Status>, watch::Receiver<Status>),
) -> Control<D::Running> {
    let (stop, wanted) = watch::channel(Stop::Not);
    let (order, orders) = mpsc::channel(1);
    let (announce, ended) = watch::channel(None);
    let identity =
        Arc::new(Mutex::new(Identity { pid: running.pid(), address, captured: running.captured() }));
    status.send_replace(Status::Active);
    let supervisor = Supervisor {
        starter,
        running,
        deferred_listener,
        cleanup,
        link,
        wanted,
        orders,
        status,
        announce,
        identity: Arc::clone(&identity),
        since: Instant::now(),
        died_young: 0,
        violation: None,
    };
    tokio::spawn(supervisor.run(pump));
    Control { stop, orders: order, status: watched, ended, identity }
}

struct Supervisor<D: Driver, C: Codec, T> {
    starter: Arc<Starter<D, C, T>>,
    running: D::Running,
    /// What is to be opened before the worker is left.
    deferred_listener: Option<DeferredListener>,
    /// Removed when the worker has ended.
    cleanup: Option<Cleanup>,
    link: Link<C>,
    wanted: watch::Receiver<Stop>,
    orders: mpsc::Receiver<Order<D::Running>>,
    status: watch::Sender<Status>,
    announce: watch::Sender<Option<Ending>>,
    identity: Arc<Mutex<Identity<<D::Running as Running>::Pid>>>,
    /// When it was started.
    since: Instant,
    /// How many in a row died soon after their start.
    died_young: u32,
    /// How it broke the protocol, where it did.
    violation: Option<Error>,
}

/// What became of a worker.
enum Fate {
    Ended(Ending),
    /// It has died, and another one is wanted.
    Died(ExitReason),
}

impl<D: Driver, C: Codec, T: Transport> Supervisor<D, C, T> {
    async fn run(mut self, mut pump: Pumping) {
        let ending = loop {
            match self.see_to_the_end(Some(pump)).await {
                Fate::Ended(ending) => break ending,
                Fate::Died(reason) => match self.start_again().await {
                    Some(new) => pump = new,
                    None => break Ending::of(reason),
                },
            }
        };
        self.link.release();
        self.announce(ending);
    }

    fn announce(&self, ending: Ending) {
        self.status.send_replace(Status::Closed);
        self.announce.send_replace(Some(ending));
    }

    /// `pump` is `None` while the worker is disconnected.
    async fn see_to_the_end(&mut self, mut pump: Option<Pumping>) -> Fate {
        let heartbeat = self.starter.settings.heartbeat;
        let link = self.link.clone();
        let mut silence = pin!(async {
            match heartbeat {
                Some(heartbeat) => heartbeat.watch(&link).await,
                None => std::future::pending().await,
            }
        });
        loop {
            tokio::select! {
                biased;
                stop = wanted(&mut self.wanted, Stop::Drain) => return self.stop(stop, pump).await,
                Some((command, done)) = self.orders.recv() => {
                    let outcome = self.obey(command, &mut pump).await;
                    let (outcome, ending) = match outcome {
                        Ok(ending) => (Ok(()), ending),
                        Err(error) => (Err(error), None),
                    };
                    let _ = done.send(outcome);
                    if let Some(ending) = ending {
                        return Fate::Ended(ending);
                    }
                }
                end = over(&mut pump) => {
                    let reason = self.outlived(end).await;
                    return self.crashed(reason).await;
                }
                reason = self.running.wait() => {
                    // What the process answered before it died still counts.
                    let _ = timeout(LAST_WORDS, over(&mut pump)).await;
                    return self.crashed(reason).await;
                }
                // After the connection, which may have heard from the worker this very moment.
                () = &mut silence, if pump.is_some() => {
                    tracing::warn!(pid = self.pid(), "killing a worker that gives no sign of life");
                    self.kill(false).await;
                    return self.crashed(ExitReason::Unresponsive).await;
                }
            }
        }
    }

    /// Returns the ending, where the command is one.
    async fn obey(
        &mut self,
        command: Command<D::Running>,
        pump: &mut Option<Pumping>,
    ) -> Result<Option<Ending>, Error> {
        match command {
            Command::Disconnect { linger } => {
                self.leave(linger, pump).await?;
                self.status.send_replace(Status::Disconnected);
                Ok(None)
            }
            Command::Reconnect { pump: new } => {
                *pump = Some(new);
                self.status.send_replace(Status::Active);
                Ok(None)
            }
            Command::Detach { check, let_go } => {
                check(&self.running)?;
                if pump.is_some() {
                    self.leave(FOREVER, pump).await?;
                }
                let_go(&mut self.running)?;
                self.link.fail(Presence::Ended, detached);
                if let Some(cleanup) = &self.cleanup {
                    cleanup.disarm();
                }
                Ok(Some(Ending::of(ExitReason::Detached)))
            }
        }
    }

    /// Ends the connection, and returns when the worker knows that it is to stay.
    async fn leave(&mut self, linger: Duration, pump: &mut Option<Pumping>) -> Result<(), Error> {
        let Some(connection) = pump else {
            return Err(unchanged("it is disconnected already; `reconnect` reaches it again"));
        };
        if let Some(deferred_listener) = &mut self.deferred_listener {
            let (place, cleanup) = deferred_listener.open().map_err(|error| {
                let text = "could not leave the worker, which is still connected: there is nowhere to reach it again";
                Error::with_source(ErrorKind::Config, text, error)
            })?;
            (self.deferred_listener, self.cleanup) = (None, Some(cleanup));
            self.identity.lock().unwrap_or_else(PoisonError::into_inner).address.place = place;
        }
        let linger = if linger.is_zero() { FOREVER } else { linger };
        self.link.close(Some(linger), left);
        let heard = timeout(LEAVE, connection).await;
        *pump = None;
        match heard {
            Ok(End::Eof | End::GoAway { .. }) => Ok(()),
            Ok(end) => Err(Error::new(
                ErrorKind::Crashed,
                format!("could not leave the worker: the connection broke ({end:?}); start another"),
            )),
            Err(_) => {
                let why =
                    format!("it has not confirmed within {LEAVE:?} that it stays; its runtime may be busy");
                let what = "close it, or leave it when its handlers are done";
                Err(Error::new(ErrorKind::Timeout, format!("could not leave the worker: {why}; {what}")))
            }
        }
    }

    /// The connection is over before the process, which as a rule ends in the same moment.
    async fn outlived(&mut self, end: End) -> ExitReason {
        if let End::Overran = end {
            self.kill(false).await;
            return ExitReason::Overran;
        }
        if let End::Violated(error) = &end {
            self.violation = Some(error.clone());
        }
        self.running.connection_over();
        if let Ok(reason) = timeout(LIMBO, self.running.wait()).await {
            return reason;
        }
        tracing::warn!(pid = self.pid(), ?end, "killing a worker that has left its connection");
        self.kill(false).await;
        match end {
            End::Violated(_) => ExitReason::Violated,
            End::Eof | End::GoAway { .. } | End::Broken(_) | End::Overran => ExitReason::Disconnected,
        }
    }

    fn pid(&self) -> Option<u32> {
        self.running.pid().into()
    }

    async fn crashed(&mut self, reason: ExitReason) -> Fate {
        let crash = self.crash(reason).await;
        let asking = self.link.is_wanted_again() || reason == ExitReason::Overran;
        let again = self.starter.settings.on_crash.respawns_for(asking);
        // Before any call fails: whoever then asks whether the worker is active must hear that it is not.
        if again {
            tracing::warn!(pid = crash.pid, %reason, "starting a worker again");
            self.status.send_replace(Status::Starting);
            self.fail_by(&crash, Presence::Starting);
            Fate::Died(reason)
        } else {
            let ending = Ending { crash: Some(crash.clone()), ..Ending::of(reason) };
            self.announce(ending.clone());
            self.fail_by(&crash, Presence::Ended);
            Fate::Ended(ending)
        }
    }

    async fn crash(&mut self, reason: ExitReason) -> Crash {
        let mut crash = Crash::new(reason);
        crash.pid = self.pid();
        self.running.explain(&mut crash).await;
        crash.bystander = self.link.is_on_probation();
        crash.violation = self.violation.take().map(|error| error.to_string());
        crash
    }

    fn fail_by(&self, crash: &Crash, presence: Presence) {
        self.link.fail(presence, |message| {
            let mut crash = crash.clone();
            crash.message = Some(message.to_owned());
            Error::crashed(crash)
        });
    }

    /// Starts another one in place of a worker that has died. `None`: it was stopped meanwhile, or given up.
    async fn start_again(&mut self) -> Option<Pumping> {
        (self.deferred_listener, self.cleanup) = (None, None);
        let grown_up = self.since.elapsed() >= GROWN_UP;
        self.died_young = if grown_up { 0 } else { self.died_young.saturating_add(1) };
        let starter = Arc::clone(&self.starter);
        let mut failed = 0;
        loop {
            let delay = starter.settings.on_crash.delay(self.died_young, random() as f64 / u64::MAX as f64);
            let status = self.status.clone();
            let start = async {
                sleep(delay).await;
                starter.start(&status).await
            };
            let mut start = pin!(start);
            let started = loop {
                tokio::select! {
                    biased;
                    _ = wanted(&mut self.wanted, Stop::Drain) => {
                        self.link.fail(Presence::Ended, closed);
                        return None;
                    }
                    Some((_, done)) = self.orders.recv() => {
                        let why = "it has died and is being started again; wait until it is active";
                        let _ = done.send(Err(unchanged(why)));
                    }
                    started = &mut start => break started,
                }
            };
            match started {
                Ok(started) => return Some(self.install(started)),
                Err(error) => {
                    failed += 1;
                    self.died_young = self.died_young.saturating_add(1);
                    self.status.send_replace(Status::Starting);
                    tracing::warn!("a worker could not be started again: {error:#}");
                    if failed == STARTS {
                        self.link.fail(Presence::Gone(error), closed);
                        return None;
                    }
                }
            }
        }
    }

    /// Puts a worker in the place of the last one.
    fn install(&mut self, started: Started<D::Running, T>) -> Pumping {
        let Started {
            running,
            stream: Greeted { reader, writer, buffer },
            deferred_listener,
            cleanup,
            address,
        } = started;
        let identity = Identity { pid: running.pid(), address, captured: running.captured() };
        *self.identity.lock().unwrap_or_else(PoisonError::into_inner) = identity;
        self.running = running;
        (self.deferred_listener, self.cleanup) = (deferred_listener, cleanup);
        self.since = Instant::now();
        let limits = self.starter.settings.limits;
        let pump = Pump::new(self.link.clone(), limits, reader, buffer, Nobody);
        // Before the calls that have waited go on: whoever has been answered must see that it is active.
        self.status.send_replace(Status::Active);
        self.link.renew(limits, writer);
        Box::pin(pump)
    }

    async fn stop(&mut self, stop: Stop, mut pump: Option<Pumping>) -> Fate {
        self.status.send_replace(Status::Closing);
        if stop == Stop::Drain {
            match self.drain(&mut pump).await {
                Drained::Done => {}
                Drained::Died(reason) => {
                    // Nobody wants another one.
                    let crash = self.crash(reason).await;
                    self.fail_by(&crash, Presence::Ended);
                    return Fate::Ended(Ending::of(reason));
                }
            }
        }
        Fate::Ended(if *self.wanted.borrow() == Stop::Kill {
            self.link.fail(Presence::Ended, closed);
            self.kill(false).await
        } else {
            self.close(pump).await
        })
    }

    /// Lets the worker finish what is in flight, unless it is to be closed or killed meanwhile.
    async fn drain(&mut self, pump: &mut Option<Pumping>) -> Drained {
        self.link.drain();
        loop {
            tokio::select! {
                biased;
                _ = wanted(&mut self.wanted, Stop::Close) => return Drained::Done,
                end = until_idle(&self.link, pump) => match end {
                    Some(end) => return Drained::Died(self.outlived(end).await),
                    None => return Drained::Done,
                },
                reason = self.running.wait() => {
                    let _ = timeout(LAST_WORDS, over(pump)).await;
                    return Drained::Died(reason);
                }
                Some((_, done)) = self.orders.recv() => {
                    let _ = done.send(Err(unchanged("it is being drained, and ends when that is done")));
                }
            }
        }
    }

    async fn close(&mut self, mut pump: Option<Pumping>) -> Ending {
        self.link.close(None, closed);
        if pump.is_none() {
            // Nobody can tell a worker that is disconnected to end.
            return self.kill(false).await;
        }
        let grace = elapsed(self.starter.settings.timeouts.close);
        let mut grace = pin!(grace);
        loop {
            tokio::select! {
                biased;
                reason = self.running.wait() => return Ending::of(reason),
                _ = wanted(&mut self.wanted, Stop::Kill) => break,
                () = &mut grace => return self.kill(true).await,
                _ = over(&mut pump) => {
                    pump = None;
                    self.running.connection_over();
                }
            }
        }
        self.kill(false).await
    }

    async fn kill(&mut self, killed_after_grace: bool) -> Ending {
        self.running.kill();
        Ending { killed_after_grace, ..Ending::of(self.running.wait().await) }
    }
}

/// How the draining of a worker ended.
enum Drained {
    Done,
    Died(ExitReason),
}

/// QueueStats until the connection is over, which it never is where there is none.
async fn over(pump: &mut Option<Pumping>) -> End {
    match pump {
        Some(pump) => pump.await,
        None => std::future::pending().await,
    }
}

/// QueueStats until nothing is in flight (`None`), or the connection is over. Where there is none, nothing is.
async fn until_idle<C: Codec>(link: &Link<C>, pump: &mut Option<Pumping>) -> Option<End> {
    let Some(pump) = pump else { return None };
    poll_fn(|cx| match pump.as_mut().poll(cx) {
        Poll::Ready(end) => Poll::Ready(Some(end)),
        // Whoever gives a call up wakes the connection.
        Poll::Pending if link.is_idle() => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    })
    .await
}

/// QueueStats until at least this is wanted. The last handle says so, too, when it is dropped.
async fn wanted(stop: &mut watch::Receiver<Stop>, least: Stop) -> Stop {
    let heard = stop.wait_for(|stop| *stop >= least).await.map(|stop| *stop);
    match heard {
        Ok(stop) => stop,
        Err(_) => std::future::pending().await,
    }
}

/// Why a worker was not disconnected, reached again or detached.
pub(crate) fn unchanged(why: &str) -> Error {
    Error::new(ErrorKind::Closed, format!("could not change the connection to the worker: {why}"))
}

fn closed(message: &str) -> Error {
    let what = "`drain` lets calls finish first";
    Error::new(ErrorKind::Closed, format!("the worker was closed while `{message}` was in flight; {what}"))
}

fn left(message: &str) -> Error {
    let what = "`reconnect` reaches it again";
    let text = format!("the worker was disconnected while `{message}` was in flight; {what}");
    Error::new(ErrorKind::Closed, text)
}

fn detached(message: &str) -> Error {
    let what = "`Attach` reaches it at the address that `detach` returned";
    Error::new(ErrorKind::Closed, format!("the worker was detached while `{message}` was in flight; {what}"))
}
