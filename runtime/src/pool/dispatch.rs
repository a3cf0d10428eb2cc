use std::fmt;
use std::sync::Arc;

use isolated_workers_codec::Codec;
use isolated_workers_core::{Error, ErrorKind, Executed, Request, Response};
use isolated_workers_middleware::Service;

use super::shared::{Admission, Permit, Shared};
use super::view::Options;

/// The workers of a pool, without any middleware around them: each call goes to the one that is to have it.
pub struct Dispatch<C: Codec>(pub(super) Arc<Shared<C>>);

impl<C: Codec> Service for Dispatch<C> {
    type Codec = C;

    fn codec(&self) -> &C {
        &self.0.codec
    }

    async fn call(&self, request: Request) -> Result<Response, Error> {
        let shared = &*self.0;
        let options = request.extensions().get::<Options>().copied().unwrap_or_default();
        loop {
            let permit = match shared.admit(request.name(), options)? {
                Admission::Run(permit) => permit,
                // In a box, so that a call that need not wait is small.
                Admission::Wait(turn) => Box::pin(shared.wait(request.name(), turn)).await?,
            };
            // So that the next crash of this worker has one cause.
            let _alone = if options.is_suspect && !shared.is_exclusive {
                Some(Box::pin(permit.peer.link.probation()).await)
            } else {
                None
            };
            let result = permit.peer.link.call(request.clone()).await;
            let Err(error) = &result else { return result };
            if !self.has_missed(&permit, error) {
                return result;
            }
        }
    }
}

impl<C: Codec> Dispatch<C> {
    /// Looks at how a call has failed. Returns whether its worker had ended before the call reached it, so that another
    /// one is to have it.
    #[cold]
    fn has_missed(&self, permit: &Permit<'_, C>, error: &Error) -> bool {
        let was_run = error.executed() != Executed::No;
        let is_lost = match error.kind() {
            // The worker's own answer.
            _ if error.remote_error().is_some() => false,
            ErrorKind::Crashed => true,
            ErrorKind::Closed => !was_run,
            ErrorKind::Timeout => was_run && self.0.kills_on_timeout,
            _ => false,
        };
        if is_lost {
            permit.is_lost();
        }
        is_lost && !was_run
    }
}

impl<C: Codec> fmt::Debug for Dispatch<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dispatch").field("subject", &self.0.subject).finish_non_exhaustive()
    }
}
