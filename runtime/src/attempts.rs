//! Calls that are made again when their worker dies.

use std::time::{Duration, Instant};

use isolated_workers_core::{Error, ErrorKind, Executed, Request, Response};
use isolated_workers_middleware::Service;
use tokio::time::timeout;

use crate::Link;

/// Makes a call up to `most` times, through all of the middleware each time.
pub(crate) async fn call<S: Service>(
    service: &S,
    link: &Link<S::Codec>,
    mut request: Request,
    most: u32,
) -> Result<Response, Error> {
    let limit = request.timeout().unwrap_or(link.timeout());
    let end = (!limit.is_zero()).then(|| Instant::now().checked_add(limit)).flatten();
    // A middleware of another host may have counted before.
    let first = request.attempt();
    let mut attempt = 1;
    // While it is held, a worker that dies is started again.
    let _again = link.again();
    let mut probation = None;
    let mut crashed: Option<Error> = None;
    loop {
        request.set_attempt(first.saturating_add(attempt - 1));
        let result = service.call(request.clone()).await;
        let error = match (result, crashed) {
            (Err(error), _) if error.crash().is_some() => error,
            // Nobody has started it again: how it ended says more.
            (Err(error), Some(crashed))
                if error.kind() == ErrorKind::Closed && error.executed() == Executed::No =>
            {
                return Err(crashed);
            }
            (result, _) => return result,
        };
        let Some(crash) = error.crash() else { return Err(error) };
        let suspect = probation.take().is_some();
        let mut crash = crash.clone();
        crash.attempt = attempt;
        crash.max_attempts = most;
        crash.bystander &= !suspect;
        let charged = !crash.bystander;
        let error = Error::crashed(crash);
        if charged {
            if attempt == most {
                return Err(error);
            }
            attempt += 1;
        }
        // One at a time: so the next crash has one cause.
        let left = end.map(|end| end.saturating_duration_since(Instant::now()));
        let alone = timeout(left.unwrap_or(Duration::MAX), link.probation());
        match alone.await {
            Ok(guard) => probation = Some(guard),
            Err(_) => return Err(error),
        }
        if let Some(end) = end {
            request.set_timeout(Some(
                end.saturating_duration_since(Instant::now()).max(Duration::from_nanos(1)),
            ));
        }
        crashed = Some(error);
    }
}
