//! Calls that are made again when their worker dies.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use isolated_workers_core::{Error, ErrorKind, Executed, Request, Response};
use isolated_workers_middleware::Service;
use tokio::time::timeout;

use crate::Link;

/// Makes a call up to `most` times, through all of the middleware each time.
pub(crate) async fn call<S: Service>(
    service: &S,
    link: &Link<S::Codec>,
    request: Request,
    most: u32,
) -> Result<Response, Error> {
    let limit = request.timeout().unwrap_or(link.timeout());
    let end = (!limit.is_zero()).then(|| Instant::now().checked_add(limit)).flatten();
    let mut attempts = Attempts::new(request, most);
    // While it is held, a worker that dies is started again.
    let _again = link.again();
    let mut probation = None;
    loop {
        let result = service.call(attempts.request().clone()).await;
        let crashed = match attempts.judge(result, probation.take().is_some()) {
            ControlFlow::Break(result) => return result,
            ControlFlow::Continue(crashed) => crashed,
        };
        // One at a time: so the next crash has one cause.
        let left = end.map(|end| end.saturating_duration_since(Instant::now()));
        let alone = timeout(left.unwrap_or(Duration::MAX), link.probation());
        match alone.await {
            Ok(guard) => probation = Some(guard),
            Err(_) => return Err(crashed),
        }
        if let Some(end) = end {
            let left = end.saturating_duration_since(Instant::now());
            attempts.request.set_timeout(Some(left.max(Duration::from_nanos(1))));
        }
    }
}

/// The runs of one call.
pub(crate) struct Attempts {
    request: Request,
    /// What the request said when it came: a middleware of another host may have counted before.
    first: u32,
    attempt: u32,
    most: u32,
    crashed: Option<Error>,
}

impl Attempts {
    pub(crate) fn new(request: Request, most: u32) -> Self {
        Self { first: request.attempt(), request, attempt: 1, most, crashed: None }
    }

    /// What is to be made next.
    pub(crate) fn request(&self) -> &Request {
        &self.request
    }

    /// Takes in how a run has ended. `alone` says that no other call that had been in flight at a crash was with it, so
    /// that it is the cause of the next one. Continues with the crash where the call is to be made again.
    pub(crate) fn judge(
        &mut self,
        result: Result<Response, Error>,
        alone: bool,
    ) -> ControlFlow<Result<Response, Error>, Error> {
        let error = match (result, self.crashed.take()) {
            (Err(error), _) if error.crash().is_some() => error,
            // Nobody has started it again: how it ended says more.
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
        crash.max_attempts = self.most;
        crash.bystander &= !alone;
        let charged = !crash.bystander;
        let error = Error::crashed(crash);
        if charged {
            if self.attempt == self.most {
                return ControlFlow::Break(Err(error));
            }
            self.attempt += 1;
            self.request.set_attempt(self.first.saturating_add(self.attempt - 1));
        }
        self.crashed = Some(error.clone());
        ControlFlow::Continue(error)
    }
}
