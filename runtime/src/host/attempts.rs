//! Retries of a call whose worker died.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use isolated_workers_core::{Error, ErrorKind, Executed, Request, Response};
use isolated_workers_middleware::Service;

use crate::Link;
use crate::connection::passed;

/// Makes a call up to `max_attempts` times. Each attempt passes through all middleware.
pub(crate) async fn call<S: Service>(
    service: &S,
    link: &Link<S::Codec>,
    request: Request,
    max_attempts: u32,
) -> Result<Response, Error> {
    let limit = request.timeout().unwrap_or(link.timeout());
    let deadline = (!limit.is_zero()).then(|| Instant::now().checked_add(limit)).flatten();
    let mut attempts = Attempts::new(request, max_attempts);
    // While this exists, a worker that dies is respawned.
    let _interest = link.respawn_interest();
    let mut suspect = None;
    loop {
        let result = service.call(attempts.request().clone()).await;
        let crashed = match attempts.judge(result, suspect.take().is_some()) {
            ControlFlow::Break(result) => return result,
            ControlFlow::Continue(crashed) => crashed,
        };
        // Run one suspect at a time, so that the next crash has only one possible cause.
        suspect = Some(tokio::select! {
            biased;
            permit = link.suspect_permit() => permit,
            () = passed(deadline) => return Err(crashed),
        });
        if let Some(at) = deadline {
            let remaining = at.saturating_duration_since(Instant::now());
            attempts.request.set_timeout(Some(remaining.max(Duration::from_nanos(1))));
        }
    }
}

/// Attempts of one call.
pub(crate) struct Attempts {
    request: Request,
    /// Number of the first attempt. It is above 1 if middleware or another host has counted before.
    first: u32,
    attempt: u32,
    max: u32,
    /// `true` if a crash was not charged to the call because a given-up call ran beside it.
    is_excused: bool,
    crashed: Option<Error>,
}

impl Attempts {
    pub(crate) fn new(request: Request, max: u32) -> Self {
        Self { first: request.attempt(), request, attempt: 1, max, is_excused: false, crashed: None }
    }

    /// Request of the next attempt.
    pub(crate) fn request(&self) -> &Request {
        &self.request
    }

    /// Evaluates the result of an attempt. `alone` is `true` if no other suspect ran at the same
    /// time, so that a crash is charged to this call. Continues with the crash if the call is to be
    /// retried.
    pub(crate) fn judge(
        &mut self,
        result: Result<Response, Error>,
        alone: bool,
    ) -> ControlFlow<Result<Response, Error>, Error> {
        let error = match (result, self.crashed.take()) {
            (Err(error), _) if error.crash().is_some() => error,
            // The worker was not respawned: the crash is more informative than `Closed`.
            (Err(error), Some(crashed))
                if error.kind() == ErrorKind::Closed && error.executed() == Executed::No =>
            {
                return ControlFlow::Break(Err(crashed));
            }
            (result, _) => return ControlFlow::Break(result),
        };
        let Some(crash) = error.crash() else { return ControlFlow::Break(Err(error)) };
        let mut crash = crash.clone();
        crash.attempt = self.attempt;
        crash.max_attempts = self.max;
        crash.bystander &= !alone;
        if crash.given_up > 0 && !std::mem::replace(&mut self.is_excused, true) {
            // Once only: a poison call must use up its attempts even if others are given up all the
            // time.
            crash.bystander = true;
        }
        let is_charged = !crash.bystander;
        let error = Error::crashed(crash);
        if is_charged {
            if self.attempt == self.max {
                return ControlFlow::Break(Err(error));
            }
            self.attempt += 1;
            self.request.set_attempt(self.first.saturating_add(self.attempt - 1));
        }
        self.crashed = Some(error.clone());
        ControlFlow::Continue(error)
    }
}
