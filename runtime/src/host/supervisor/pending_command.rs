//! Command that the supervisor has begun, and whose outcome is open.

use std::pin::Pin;
use std::time::Duration;

use isolated_workers_codec::Codec;
use isolated_workers_core::{Error, ErrorKind};

use super::handle::{CommandSender, Connect, Dial, Release};
use crate::timeouts::silent_for;

/// Time within which a worker must confirm that it lingers, or that it is detached.
pub(super) const CONFIRM_TIMEOUT: Duration = Duration::from_secs(5);

/// Command that waits for the worker. Meanwhile, later commands wait. If its caller gives up, a
/// disconnect or reconnect continues: a connection that the worker has accepted must not be
/// dropped, because the worker would end with it. A detach ends: the worker is kept.
pub(super) struct PendingCommand<P, C: Codec> {
    done: CommandSender,
    step: Step<P, C>,
}

/// Step that a command waits for.
pub(super) enum Step<P, C: Codec> {
    /// The worker must confirm that it lingers, or that it is detached if there are functions to
    /// release it.
    Confirm { release: Option<Release<P>>, late: Pin<Box<dyn Future<Output = ()> + Send>> },
    /// The worker must accept a connection. It is then detached, if there are functions for that.
    Dial { dial: Dial<C>, release: Option<Release<P>> },
}

/// End of a step, except the confirmation, which is an event of the process.
pub(super) enum StepEnd<C: Codec> {
    Late,
    /// The caller of a detach is gone.
    GivenUp,
    Dialed(Result<Connect<C>, Error>),
}

impl<P, C: Codec> Step<P, C> {
    pub(super) fn confirm(release: Option<Release<P>>) -> Self {
        Self::Confirm { release, late: Box::pin(silent_for(CONFIRM_TIMEOUT)) }
    }
}

impl<P, C: Codec> PendingCommand<P, C> {
    pub(super) fn new(done: CommandSender, step: Step<P, C>) -> Self {
        Self { done, step }
    }

    /// Waits until the step ends. Never returns if no command is pending. Cancel-safe.
    pub(super) async fn ended(pending: &mut Option<Self>) -> StepEnd<C> {
        match pending {
            Some(Self { done, step: Step::Confirm { release: Some(_), late } }) => tokio::select! {
                () = done.closed() => StepEnd::GivenUp,
                () = late => StepEnd::Late,
            },
            Some(Self { step: Step::Confirm { late, .. }, .. }) => {
                late.await;
                StepEnd::Late
            }
            Some(Self { step: Step::Dial { dial, .. }, .. }) => StepEnd::Dialed(dial.await),
            None => std::future::pending().await,
        }
    }

    /// Returns `true` if the command waits for the confirmation of the worker.
    pub(super) fn awaits_confirmation(&self) -> bool {
        matches!(self.step, Step::Confirm { .. })
    }

    /// Parts of the command: the channel for its result, and the functions that release the worker.
    pub(super) fn into_parts(self) -> (CommandSender, Option<Release<P>>) {
        let (Step::Confirm { release, .. } | Step::Dial { release, .. }) = self.step;
        (self.done, release)
    }

    /// Fails the pending command, if there is one.
    pub(super) fn fail(pending: &mut Option<Self>, kind: ErrorKind, cause: &str) {
        if let Some(Self { done, step }) = pending.take() {
            let attempt = match step {
                Step::Confirm { release: Some(_), .. } => "detach the worker",
                Step::Confirm { .. } => "disconnect the worker",
                Step::Dial { .. } => "reconnect to the worker",
            };
            // Ignored: the caller may have given up.
            let _ = done.send(Err(Error::new(kind, format!("could not {attempt}: {cause}"))));
        }
    }
}
