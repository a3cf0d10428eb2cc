mod backoff;
mod retry_budget;

use std::time::Duration;

use isolated_workers_core::{Error, ErrorKind, Executed, Request, Response};

use self::backoff::Backoff;
use self::retry_budget::RetryBudget;
use crate::support::random;
use crate::{Middleware, Service};

/// Retries failed calls if that is safe and may help.
///
/// A retry is safe if the message was not run ([`Executed::No`]). If it may have been run
/// ([`Executed::Maybe`]), it is run again as often as its `retry` attribute allows
/// ([`Request::retry`]). An idempotent message without that number is run again up to the number of
/// attempts.
///
/// A retry may help after a transient error. Transient are the kinds `Spawn`, `Startup`, `Closed`,
/// `Crashed`, `Timeout` and `Overloaded`, unless [`when`](Self::when) chooses others. Errors
/// returned by the handler are never retried. An error in the worker's answer, such as the
/// `Overloaded` of a [`LoadShed`](crate::LoadShed) there, does not prove that the message was not
/// run. It may come from a call that the handler made.
///
/// Retries wait a random time below a limit that doubles with each attempt, so that callers do not
/// retry in lockstep. A budget keeps retries from multiplying the load. Each call adds a fifth of a
/// retry to it. If it is empty, the call fails with its last error.
///
/// Each attempt goes through the layers below and carries its number ([`Request::attempt`]). A
/// [`Timeout`](crate::Timeout) below this layer limits each attempt. One above limits all of them
/// together. Dropping the call cancels the current attempt or wait.
///
/// The request is cloned for each attempt except the last; clones share the payload. An id that was
/// set by hand is kept in each attempt.
///
/// ```
/// use isolated_workers_middleware::Retry;
/// use std::time::Duration;
///
/// let patient = Retry::new(5).backoff(Duration::from_millis(50), Duration::from_secs(2));
/// ```
#[derive(Debug)]
pub struct Retry {
    attempts: u32,
    backoff: Backoff,
    budget: Option<RetryBudget>,
    is_transient: fn(&Error) -> bool,
}

impl Retry {
    /// Allows `attempts` attempts in total, including the first. 0 means 1.
    ///
    /// Defaults: waits of up to 10 ms before the first retry and up to 1 s before any, a budget of
    /// 20 retries per 100 calls, and a reserve of ten retries.
    pub fn new(attempts: u32) -> Self {
        Self {
            attempts,
            backoff: Backoff::new(Duration::from_millis(10), Duration::from_secs(1)),
            budget: Some(RetryBudget::new(20, 10)),
            is_transient,
        }
    }

    /// Sets the maximum wait before the first retry, and the maximum wait before any retry. Zero
    /// retries immediately.
    pub fn backoff(mut self, first: Duration, longest: Duration) -> Self {
        self.backoff = Backoff::new(first, longest);
        self
    }

    /// Sets the budget: `percent` is the number of retries per 100 calls. `reserve` is the number
    /// of retries available at the start, and the maximum saved up.
    pub fn budget(mut self, percent: u32, reserve: u32) -> Self {
        self.budget = Some(RetryBudget::new(percent, reserve));
        self
    }

    /// Retries without a budget.
    pub fn unbudgeted(mut self) -> Self {
        self.budget = None;
        self
    }

    /// Sets the errors that are transient. A retry must also be safe, as described for [`Retry`].
    pub fn when(mut self, is_transient: fn(&Error) -> bool) -> Self {
        self.is_transient = is_transient;
        self
    }

    /// Returns `true` if the call that failed with `error` may be retried. `runs` is the remaining
    /// number of executions after an [`Executed::Maybe`].
    fn should_retry(&self, error: &Error, runs: &mut u32) -> bool {
        let is_safe = match error.executed() {
            Executed::No => true,
            Executed::Maybe if *runs > 0 => {
                *runs -= 1;
                true
            }
            _ => false,
        };
        is_safe && (self.is_transient)(error) && self.budget.as_ref().is_none_or(RetryBudget::withdraw)
    }
}

impl Middleware for Retry {
    async fn handle<S: Service>(&self, mut request: Request, next: &S) -> Result<Response, Error> {
        if let Some(budget) = &self.budget {
            budget.deposit();
        }
        let first = request.attempt();
        let mut runs = match request.retry() {
            0 if request.is_idempotent() => u32::MAX,
            own => own,
        };
        let mut executed = Executed::No;
        for retries in 0..self.attempts.saturating_sub(1) {
            request.set_attempt(first.saturating_add(retries));
            match next.call(request.clone()).await {
                Err(error) if request.is_repeatable() && self.should_retry(&error, &mut runs) => {
                    executed = executed.max(error.executed());
                    tracing::debug!(
                        message = request.name(),
                        attempt = request.attempt(),
                        "calling again: {error:#}"
                    );
                }
                answer => return answer.map_err(|error| error.after_attempt(executed)),
            }
            self.backoff.wait(retries, random()).await;
        }
        request.set_attempt(first.saturating_add(self.attempts.saturating_sub(1)));
        next.call(request).await.map_err(|error| error.after_attempt(executed))
    }
}

fn is_transient(error: &Error) -> bool {
    use ErrorKind::{Closed, Crashed, Overloaded, Spawn, Startup, Timeout};
    matches!(error.kind(), Spawn | Startup | Closed | Crashed | Timeout | Overloaded)
}
