//! The task that owns a worker's process and connection, and sees both to their end.

use std::pin::pin;
use std::time::Duration;

use isolated_workers_codec::Codec;
use isolated_workers_core::{Crash, Error, ErrorKind, ExitReason};
use tokio::io::AsyncRead;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::link::{End, Link, Nobody, Pump};
use crate::process::Process;
use crate::timeouts::elapsed;

/// How long a process that has ended its connection may take to end itself before it is killed.
pub(crate) const LIMBO: Duration = Duration::from_secs(1);

/// How long the stream of a process that has ended is still read. It ends with the process, unless a child of that
/// holds it open.
pub(crate) const LAST_WORDS: Duration = Duration::from_millis(20);

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

/// The handle of the supervisor's task.
#[derive(Debug)]
pub(crate) struct Control {
    stop: watch::Sender<Stop>,
    ended: watch::Receiver<Option<Ending>>,
}

impl Control {
    pub(crate) fn stop(&self, stop: Stop) {
        self.stop.send_if_modified(|wanted| {
            let more = stop > *wanted;
            *wanted = stop.max(*wanted);
            more
        });
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
pub(crate) fn supervise<C: Codec, R: AsyncRead + Send + Unpin + 'static>(
    process: Process,
    link: Link<C>,
    pump: Pump<C, R, Nobody>,
    grace: Duration,
) -> Control {
    let (stop, wanted) = watch::channel(Stop::Not);
    let (announce, ended) = watch::channel(None);
    let supervisor = Supervisor { process, link, wanted, announce, grace };
    tokio::spawn(supervisor.run(pump));
    Control { stop, ended }
}

struct Supervisor<C: Codec> {
    process: Process,
    link: Link<C>,
    wanted: watch::Receiver<Stop>,
    announce: watch::Sender<Option<Ending>>,
    grace: Duration,
}

impl<C: Codec> Supervisor<C> {
    async fn run(mut self, pump: impl Future<Output = End> + Unpin) {
        let ending = self.see_to_the_end(pump).await;
        self.announce.send_replace(Some(ending));
    }

    async fn see_to_the_end(&mut self, mut pump: impl Future<Output = End> + Unpin) -> Ending {
        tokio::select! {
            biased;
            stop = wanted(&mut self.wanted, Stop::Close) => {
                if stop == Stop::Kill {
                    self.link.fail(closed);
                    self.kill(false).await
                } else {
                    self.close(pump).await
                }
            }
            end = &mut pump => {
                let reason = self.outlived(end).await;
                self.crashed(reason)
            }
            reason = self.process.wait() => {
                // What the process answered before it died still counts.
                let _ = timeout(LAST_WORDS, pump).await;
                self.crashed(reason)
            }
        }
    }

    /// The connection is over before the process, which as a rule ends in the same moment.
    async fn outlived(&mut self, end: End) -> ExitReason {
        if let Ok(reason) = timeout(LIMBO, self.process.wait()).await {
            return reason;
        }
        tracing::warn!(pid = self.process.pid(), ?end, "killing a worker that has left its connection");
        self.kill(false).await;
        match end {
            End::Violated(_) => ExitReason::Violated,
            End::Eof | End::Farewell | End::Broken(_) => ExitReason::Disconnected,
        }
    }

    fn crashed(&mut self, reason: ExitReason) -> Ending {
        let ending = Ending { reason, killed_after_grace: false };
        // Before any call fails: whoever then asks whether the worker is active must hear that it is not.
        self.announce.send_replace(Some(ending));
        let pid = self.process.pid();
        self.link.fail(|message| {
            let mut crash = Crash::new(reason);
            crash.pid = Some(pid);
            crash.message = Some(message.to_owned());
            Error::crashed(crash)
        });
        ending
    }

    async fn close(&mut self, mut pump: impl Future<Output = End> + Unpin) -> Ending {
        self.link.close(closed);
        let mut connected = true;
        let grace = elapsed(self.grace);
        let mut grace = pin!(grace);
        loop {
            tokio::select! {
                biased;
                reason = self.process.wait() => return Ending { reason, killed_after_grace: false },
                _ = wanted(&mut self.wanted, Stop::Kill) => break,
                () = &mut grace => return self.kill(true).await,
                _ = &mut pump, if connected => connected = false,
            }
        }
        self.kill(false).await
    }

    async fn kill(&mut self, killed_after_grace: bool) -> Ending {
        self.process.kill();
        Ending { reason: self.process.wait().await, killed_after_grace }
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
