//! The task that owns a worker's process and connection, and sees both to their end.

use std::pin::{Pin, pin};
use std::time::Duration;

use isolated_workers_codec::Codec;
use isolated_workers_core::{Crash, Error, ErrorKind, ExitReason};
use isolated_workers_transport::Residue;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;

use crate::driver::Running;
use crate::link::{End, Link};
use crate::timeouts::elapsed;

/// How long a process that has ended its connection may take to end itself before it is killed.
pub(crate) const LIMBO: Duration = Duration::from_secs(1);

/// How long the stream of a process that has ended is still read. It ends with the process, unless a child of that
/// holds it open.
pub(crate) const LAST_WORDS: Duration = Duration::from_millis(20);

/// How long a worker may take to confirm that it stays.
const LEAVE: Duration = Duration::from_secs(5);

/// What "no limit" is on the wire: 136 years.
const FOREVER: Duration = Duration::from_secs(u32::MAX as u64);

/// What is wanted of a worker. A later one overrules an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stop {
    Not,
    Close,
    Kill,
}

/// How a worker ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ending {
    pub(crate) reason: ExitReason,
    pub(crate) killed_after_grace: bool,
}

/// The task of a connection, whatever its transport.
pub(crate) type Pumping = Pin<Box<dyn Future<Output = End> + Send>>;

/// What is done to a running worker.
pub(crate) enum Command<P> {
    /// Leaves the worker, which is to wait for so long until it is reached again.
    Disconnect { stay: Duration },
    /// Goes on with another connection.
    Reconnect { pump: Pumping },
    /// Leaves the worker for good.
    Detach { check: fn(&P) -> Result<(), Error>, let_go: fn(&mut P) -> Result<(), Error> },
}

/// A command, and where to say how it went.
type Order<P> = (Command<P>, oneshot::Sender<Result<(), Error>>);

/// The handle of the supervisor's task.
pub(crate) struct Control<P> {
    stop: watch::Sender<Stop>,
    orders: mpsc::Sender<Order<P>>,
    ended: watch::Receiver<Option<Ending>>,
}

impl<P> Control<P> {
    pub(crate) fn stop(&self, stop: Stop) {
        self.stop.send_if_modified(|wanted| {
            let more = stop > *wanted;
            *wanted = stop.max(*wanted);
            more
        });
    }

    /// # Errors
    /// What kept the command from being carried out; `Closed` where the worker has ended.
    pub(crate) async fn command(&self, command: Command<P>) -> Result<(), Error> {
        let (done, outcome) = oneshot::channel();
        // Where the task is gone, so is the other end of either channel.
        let _ = self.orders.send((command, done)).await;
        outcome.await.unwrap_or_else(|_| Err(Error::new(ErrorKind::Closed, "the worker has ended")))
    }

    pub(crate) fn is_running(&self) -> bool {
        *self.stop.borrow() == Stop::Not && self.ended.borrow().is_none()
    }

    pub(crate) async fn ended(&self) -> Ending {
        let mut ended = self.ended.clone();
        let ending = ended.wait_for(Option::is_some).await.ok().and_then(|ending| *ending);
        // The task was dropped with its runtime, and the process with it.
        let dropped = Ending { reason: ExitReason::Disconnected, killed_after_grace: false };
        ending.unwrap_or(dropped)
    }
}

/// Starts the task.
pub(crate) fn supervise<C: Codec, P: Running>(
    running: P,
    residue: Option<Residue>,
    link: Link<C>,
    pump: Pumping,
    grace: Duration,
) -> Control<P> {
    let (stop, wanted) = watch::channel(Stop::Not);
    let (order, orders) = mpsc::channel(1);
    let (announce, ended) = watch::channel(None);
    let supervisor = Supervisor { running, residue, link, wanted, orders, announce, grace };
    tokio::spawn(supervisor.run(pump));
    Control { stop, orders: order, ended }
}

struct Supervisor<C: Codec, P> {
    running: P,
    /// Removed when the worker has ended.
    residue: Option<Residue>,
    link: Link<C>,
    wanted: watch::Receiver<Stop>,
    orders: mpsc::Receiver<Order<P>>,
    announce: watch::Sender<Option<Ending>>,
    grace: Duration,
}

impl<C: Codec, P: Running> Supervisor<C, P> {
    async fn run(mut self, pump: Pumping) {
        let ending = self.see_to_the_end(Some(pump)).await;
        self.announce.send_replace(Some(ending));
    }

    /// `pump` is `None` while the worker is disconnected.
    async fn see_to_the_end(&mut self, mut pump: Option<Pumping>) -> Ending {
        loop {
            tokio::select! {
                biased;
                stop = wanted(&mut self.wanted, Stop::Close) => {
                    return if stop == Stop::Kill {
                        self.link.fail(closed);
                        self.kill(false).await
                    } else {
                        self.close(pump).await
                    };
                }
                Some((command, done)) = self.orders.recv() => {
                    let outcome = self.obey(command, &mut pump).await;
                    let ending = outcome.as_ref().ok().copied().flatten();
                    let _ = done.send(outcome.map(drop));
                    if let Some(ending) = ending {
                        return ending;
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
            }
        }
    }

    /// Returns the ending, where the command is one.
    async fn obey(
        &mut self,
        command: Command<P>,
        pump: &mut Option<Pumping>,
    ) -> Result<Option<Ending>, Error> {
        match command {
            Command::Disconnect { stay } => {
                self.leave(stay, pump).await?;
                Ok(None)
            }
            Command::Reconnect { pump: new } => {
                *pump = Some(new);
                Ok(None)
            }
            Command::Detach { check, let_go } => {
                check(&self.running)?;
                if pump.is_some() {
                    self.leave(FOREVER, pump).await?;
                }
                let_go(&mut self.running)?;
                self.link.fail(detached);
                if let Some(residue) = &self.residue {
                    residue.leave();
                }
                Ok(Some(Ending { reason: ExitReason::Detached, killed_after_grace: false }))
            }
        }
    }

    /// Ends the connection, and returns when the worker knows that it is to stay.
    async fn leave(&mut self, stay: Duration, pump: &mut Option<Pumping>) -> Result<(), Error> {
        let Some(connection) = pump else {
            return Err(Error::new(ErrorKind::Closed, "the worker is disconnected already"));
        };
        let stay = if stay.is_zero() { FOREVER } else { stay };
        self.link.close(Some(stay), left);
        let heard = timeout(LEAVE, connection).await;
        *pump = None;
        match heard {
            Ok(End::Eof | End::Farewell { .. }) => Ok(()),
            Ok(end) => Err(Error::new(
                ErrorKind::Crashed,
                format!("the connection broke while it was ended: {end:?}"),
            )),
            Err(_) => {
                let why = "it has not confirmed that it stays; its runtime may be busy";
                Err(Error::new(ErrorKind::Timeout, format!("disconnecting the worker: {why}")))
            }
        }
    }

    /// The connection is over before the process, which as a rule ends in the same moment.
    async fn outlived(&mut self, end: End) -> ExitReason {
        self.running.connection_over();
        if let Ok(reason) = timeout(LIMBO, self.running.wait()).await {
            return reason;
        }
        tracing::warn!(pid = self.pid(), ?end, "killing a worker that has left its connection");
        self.kill(false).await;
        match end {
            End::Violated(_) => ExitReason::Violated,
            End::Eof | End::Farewell { .. } | End::Broken(_) => ExitReason::Disconnected,
        }
    }

    fn pid(&self) -> Option<u32> {
        self.running.pid().into()
    }

    async fn crashed(&mut self, reason: ExitReason) -> Ending {
        let ending = Ending { reason, killed_after_grace: false };
        let mut crash = Crash::new(reason);
        crash.pid = self.pid();
        self.running.explain(&mut crash).await;
        // Before any call fails: whoever then asks whether the worker is active must hear that it is not.
        self.announce.send_replace(Some(ending));
        self.link.fail(|message| {
            let mut crash = crash.clone();
            crash.message = Some(message.to_owned());
            Error::crashed(crash)
        });
        ending
    }

    async fn close(&mut self, mut pump: Option<Pumping>) -> Ending {
        self.link.close(None, closed);
        if pump.is_none() {
            // Nobody can tell a worker that is disconnected to end.
            return self.kill(false).await;
        }
        let grace = elapsed(self.grace);
        let mut grace = pin!(grace);
        loop {
            tokio::select! {
                biased;
                reason = self.running.wait() => return Ending { reason, killed_after_grace: false },
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
        Ending { reason: self.running.wait().await, killed_after_grace }
    }
}

/// Waits until the connection is over, which it never is where there is none.
async fn over(pump: &mut Option<Pumping>) -> End {
    match pump {
        Some(pump) => pump.await,
        None => std::future::pending().await,
    }
}

/// Waits until at least this is wanted. The last handle says so, too, when it is dropped.
async fn wanted(stop: &mut watch::Receiver<Stop>, least: Stop) -> Stop {
    let heard = stop.wait_for(|stop| *stop >= least).await.map(|stop| *stop);
    match heard {
        Ok(stop) => stop,
        Err(_) => std::future::pending().await,
    }
}

fn closed(message: &str) -> Error {
    Error::new(ErrorKind::Closed, format!("the worker was closed while `{message}` was in flight"))
}

fn left(message: &str) -> Error {
    let text = format!("the worker was disconnected while `{message}` was in flight");
    Error::new(ErrorKind::Closed, text)
}

fn detached(message: &str) -> Error {
    Error::new(ErrorKind::Closed, format!("the worker was detached while `{message}` was in flight"))
}
