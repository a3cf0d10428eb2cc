mod backoff;
mod retry_budget;

use std::time::Duration;

use isolated_workers_core::{Error, ErrorKind, Executed, Request, Response};

use self::backoff::Backoff;
use self::retry_budget::RetryBudget;
use crate::support::random;
use crate::{Middleware, Service};

/// Makes a call that failed again, where that does no harm and may help.
///
/// It does no harm where the message was not run ([`Executed::No`]), or may have been and is
/// idempotent: then it is run again as often as its `retry` attribute allows ([`Request::retry`]).
/// It may help after errors that pass: of the kinds `Spawn`, `Startup`, `Closed`, `Crashed`,
/// `Timeout` and `Overloaded`, or those that [`when`](Self::when) chooses. What the handler itself
/// answered is never tried again. An error that the worker has answered with, such as the
/// `Overloaded` of a [`LoadShed`](crate::LoadShed) there, does not say that the message was not
/// run: it may come from a call that the handler made in its turn.
///
/// Between two attempts it waits: at random up to a limit that doubles each time, so that many
/// callers do not come back together. A budget keeps retries from becoming the load: each call adds
/// a fifth of a retry to it, and an empty budget means that an error is the answer. Each attempt
/// goes through the layers below and carries its number ([`Request::attempt`]); a
/// [`Timeout`](crate::Timeout) below it limits each of them, one above it all together. Dropping
/// the call ends it in any state.
///
/// A request is cloned for each attempt but the last, its payload shared. One whose id was chosen
/// by hand keeps it in each attempt.
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
    may_pass: fn(&Error) -> bool,
}

impl Retry {
    /// At most `attempts` in all, the first included; waiting up to 10 ms at first and 1 s at most,
    /// with a budget of a fifth of the calls and ten in reserve.
    pub fn new(attempts: u32) -> Self {
        Self {
            attempts,
            backoff: Backoff::new(Duration::from_millis(10), Duration::from_secs(1)),
            budget: Some(RetryBudget::new(20, 10)),
            may_pass,
        }
    }

    /// Sets how long to wait at most before the second attempt, and before any. Zero does not wait.
    pub fn backoff(mut self, first: Duration, longest: Duration) -> Self {
        self.backoff = Backoff::new(first, longest);
        self
    }

    /// Sets the budget: how many retries there may be for a hundred calls, and how many are in
    /// reserve, at first and at most.
    pub fn budget(mut self, percent: u32, reserve: u32) -> Self {
        self.budget = Some(RetryBudget::new(percent, reserve));
        self
    }

    /// Retries without a budget.
    pub fn unbudgeted(mut self) -> Self {
        self.budget = None;
        self
    }

    /// Sets which errors may pass. Whether a message may be run again stays a matter of its own.
    pub fn when(mut self, may_pass: fn(&Error) -> bool) -> Self {
        self.may_pass = may_pass;
        self
    }

    /// Returns `true` if the call that failed with `error` may be tried again. `runs` are the
    /// remaining executions.
    fn goes_on(&self, error: &Error, runs: &mut u32) -> bool {
        let harmless = match error.executed() {
            Executed::No => true,
            Executed::Maybe if *runs > 0 => {
                *runs -= 1;
                true
            }
            _ => false,
        };
        harmless && (self.may_pass)(error) && self.budget.as_ref().is_none_or(RetryBudget::withdraw)
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
        for retries in 0..self.attempts.saturating_sub(1) {
            request.set_attempt(first.saturating_add(retries));
            match next.call(request.clone()).await {
                Err(error) if self.goes_on(&error, &mut runs) => {
                    tracing::debug!(
                        message = request.name(),
                        attempt = request.attempt(),
                        "calling again: {error:#}"
                    );
                }
                answer => return answer,
            }
            self.backoff.wait(retries, random()).await;
        }
        request.set_attempt(first.saturating_add(self.attempts.saturating_sub(1)));
        next.call(request).await
    }
}

fn may_pass(error: &Error) -> bool {
    use ErrorKind::{Closed, Crashed, Overloaded, Spawn, Startup, Timeout};
    matches!(error.kind(), Spawn | Startup | Closed | Crashed | Timeout | Overloaded)
}
