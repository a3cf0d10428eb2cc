//! Retries of a call whose worker died.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use isolated_workers_core::{Error, ErrorKind, Executed, Request, Response};
use isolated_workers_middleware::Service;

use crate::Link;
use crate::connection::Suspect;

/// Makes a call up to `max_attempts` times. Each attempt passes through all middleware.
pub(crate) async fn call<S: Service>(
    service: &S,
    link: &Link<S::Codec>,
    request: Request,
    max_attempts: u32,
) -> Result<Response, Error> {
    let mut attempts = Attempts::new(request, max_attempts, link.timeout());
    // While this exists, a worker that dies is respawned.
    let _interest = link.respawn_interest();
    let mut is_suspect = false;
    loop {
        let mut request = attempts.request().clone();
        if is_suspect {
            // Suspects run one at a time, so that the next crash has only one possible cause.
            request.extensions_mut().insert(Suspect);
        }
        let result = service.call(request).await;
        match attempts.judge(result, is_suspect) {
            ControlFlow::Break(result) => return result,
            ControlFlow::Continue(()) => is_suspect = true,
        }
    }
}

/// Attempts of one call. They share its timeout.
pub(crate) struct Attempts {
    request: Request,
    deadline: Option<Instant>,
    /// Timeout of the call, which errors name.
    limit: Duration,
    /// Number of the first attempt. It is above 1 if middleware or another host has counted before.
    first: u32,
    attempt: u32,
    max: u32,
    /// `true` if a crash was not charged to the call because a given-up call ran beside it.
    is_excused: bool,
    crashed: Option<Error>,
    /// State of the message after the attempts that have ended.
    executed: Executed,
}

impl Attempts {
    /// `timeout`: timeout of the call if its request sets none. Zero means no limit.
    pub(crate) fn new(request: Request, max: u32, timeout: Duration) -> Self {
        let limit = request.timeout_or(timeout);
        let deadline = (!limit.is_zero()).then(|| Instant::now().checked_add(limit)).flatten();
        let limit = request.whole_timeout().unwrap_or(limit);
        let first = request.attempt();
        Self {
            request,
            deadline,
            limit,
            first,
            attempt: 1,
            max,
            is_excused: false,
            crashed: None,
            executed: Executed::No,
        }
    }

    /// Request of the next attempt.
    pub(crate) fn request(&self) -> &Request {
        &self.request
    }

    /// Evaluates the result of an attempt. `alone` is `true` if no other suspect ran at the same
    /// time, so that a crash is charged to this call. Continues if the call is to be retried.
    pub(crate) fn judge(
        &mut self,
        result: Result<Response, Error>,
        alone: bool,
    ) -> ControlFlow<Result<Response, Error>> {
        let error = match (result, self.crashed.take()) {
            (Err(error), _) if error.crash().is_some() => error,
            // The worker was not respawned, or not in time: the crash is more informative.
            (Err(error), Some(crashed))
                if matches!(error.kind(), ErrorKind::Closed | ErrorKind::Timeout)
                    && error.executed() == Executed::No =>
            {
                return ControlFlow::Break(Err(crashed));
            }
            (result, _) => {
                return ControlFlow::Break(result.map_err(|error| error.after_attempt(self.executed)));
            }
        };
        self.executed = self.executed.max(error.executed());
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
        let queued = crash.queued;
        let is_charged = !crash.bystander;
        let error = Error::crashed(crash).with_executed(self.executed);
        if !self.request.is_repeatable() {
            return ControlFlow::Break(Err(error));
        }
        if is_charged {
            if self.attempt == self.max {
                return ControlFlow::Break(Err(error));
            }
            self.attempt += 1;
            self.request.set_attempt(self.first.saturating_add(self.attempt - 1));
        }
        if let Some(deadline) = &mut self.deadline {
            // The timeout starts when a worker gets the call.
            *deadline += queued;
            let remaining = deadline.saturating_duration_since(Instant::now());
            if remaining.is_zero() {
                return ControlFlow::Break(Err(error));
            }
            self.request.set_rest_of_timeout(remaining, self.limit);
        }
        self.crashed = Some(error);
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use isolated_workers_core::{Body, Crash, ExitReason, Name};

    use super::*;

    #[test]
    fn a_retry_has_the_rest_of_the_timeout_and_errors_name_the_whole() {
        let limit = Duration::from_secs(600);
        let request = Request::new(Name::from_static("work"), Body::empty());
        let mut attempts = Attempts::new(request, 3, limit);
        for _ in 0..2 {
            let crashed = Error::crashed(Crash::new(ExitReason::Unknown));
            assert!(attempts.judge(Err(crashed), true).is_continue());
            let request = attempts.request();
            assert!(request.timeout().is_some_and(|rest| rest < limit), "{request:?}");
            assert_eq!(request.whole_timeout(), Some(limit));
        }
    }

    #[test]
    fn the_error_of_a_retried_call_includes_all_attempts() {
        let attempts = || {
            let request = Request::new(Name::from_static("work"), Body::empty());
            Attempts::new(request, 2, Duration::ZERO)
        };
        let crashed = |executed| Error::crashed(Crash::new(ExitReason::Unknown)).with_executed(executed);
        let refused = || Error::new(ErrorKind::Overloaded, "full");
        for (first, last, executed) in [
            (crashed(Executed::No), crashed(Executed::No), Executed::No),
            (crashed(Executed::Maybe), crashed(Executed::No), Executed::Maybe),
            (crashed(Executed::Maybe), refused(), Executed::Maybe),
            (crashed(Executed::No), refused(), Executed::No),
        ] {
            let mut attempts = attempts();
            assert!(attempts.judge(Err(first), true).is_continue());
            let ControlFlow::Break(Err(error)) = attempts.judge(Err(last), true) else { panic!("an error") };
            assert_eq!(error.executed(), executed, "{error}");
        }
    }
}
