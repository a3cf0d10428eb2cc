//! Command that the supervisor has begun, and whose outcome is open.

use std::pin::Pin;
use std::time::Duration;

use isolated_workers_codec::Codec;
use isolated_workers_core::{Error, ErrorKind};
use tokio::sync::oneshot;

use super::handle::{Connect, Dial, Release};
use crate::timeouts::silent_for;

/// Time within which a worker must confirm that it lingers.
pub(super) const CONFIRM_TIMEOUT: Duration = Duration::from_secs(5);

/// Command that waits for the worker. Meanwhile, later commands wait. If its caller gives up, it
/// continues: a connection that the worker has accepted must not be dropped, because the worker
/// would end with it.
pub(super) struct PendingCommand<P, C: Codec> {
    done: oneshot::Sender<Result<(), Error>>,
    step: Step<P, C>,
}

/// Step that a command waits for.
pub(super) enum Step<P, C: Codec> {
    /// The worker must confirm that it lingers. It is then released, if there is a function.
    Confirm { release: Option<Release<P>>, late: Pin<Box<dyn Future<Output = ()> + Send>> },
    /// The worker must accept a connection. It is then detached, if there is a function.
    Dial { dial: Dial<C>, release: Option<Release<P>> },
}

/// End of a step, except the confirmation, which is an event of the process.
pub(super) enum StepEnd<C: Codec> {
    Late,
    Dialed(Result<Connect<C>, Error>),
}

impl<P, C: Codec> Step<P, C> {
    pub(super) fn confirm(release: Option<Release<P>>) -> Self {
        Self::Confirm { release, late: Box::pin(silent_for(CONFIRM_TIMEOUT)) }
    }
}

impl<P, C: Codec> PendingCommand<P, C> {
    pub(super) fn new(done: oneshot::Sender<Result<(), Error>>, step: Step<P, C>) -> Self {
        Self { done, step }
    }

    /// Waits until the step ends. Never returns if no command is pending. Cancel-safe.
    pub(super) async fn ended(pending: &mut Option<Self>) -> StepEnd<C> {
        match pending.as_mut().map(|pending| &mut pending.step) {
            Some(Step::Confirm { late, .. }) => {
                late.await;
                StepEnd::Late
            }
            Some(Step::Dial { dial, .. }) => StepEnd::Dialed(dial.await),
            None => std::future::pending().await,
        }
    }

    /// Returns `true` if the command detaches the worker, and its caller still waits for that.
    pub(super) fn detaches(&self) -> bool {
        matches!(self.step, Step::Confirm { release: Some(_), .. }) && !self.done.is_closed()
    }

    /// Returns `true` if the command waits for the confirmation of the worker.
    pub(super) fn awaits_confirmation(&self) -> bool {
        matches!(self.step, Step::Confirm { .. })
    }

    /// Parts of the command: the channel for its result, and the function that releases the worker.
    pub(super) fn into_parts(self) -> (oneshot::Sender<Result<(), Error>>, Option<Release<P>>) {
        let (Step::Confirm { release, .. } | Step::Dial { release, .. }) = self.step;
        (self.done, release)
    }

    /// Fails the pending command, if there is one.
    pub(super) fn fail(pending: &mut Option<Self>, kind: ErrorKind, cause: &str) {
        if let Some(Self { done, step }) = pending.take() {
            let attempt = match step {
                Step::Confirm { .. } => "disconnect the worker",
                Step::Dial { .. } => "reconnect to the worker",
            };
            // Ignored: the caller may have given up.
            let _ = done.send(Err(Error::new(kind, format!("could not {attempt}: {cause}"))));
        }
    }
}
