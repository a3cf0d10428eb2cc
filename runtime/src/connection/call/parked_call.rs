use std::time::{Duration, Instant};

use isolated_workers_core::protocol::MAX_UNANSWERED_REQUESTS;
use isolated_workers_core::{Error, ErrorKind, Executed, Request};

use super::super::alarm::Alarm;
use super::super::state::WaitReason;

/// Call that waits for space in the queue, or for a worker that is being restarted. Its timeout
/// runs meanwhile.
pub(super) struct ParkedCall {
    request: Request,
    pub(super) key: u64,
    since: Instant,
    timeout: Option<Duration>,
    pub(super) alarm: Option<Alarm>,
}

impl ParkedCall {
    /// `is_home`: `true` if the caller runs on the runtime of the connection.
    pub(super) fn new(request: Request, key: u64, timeout: Option<Duration>, is_home: bool) -> Self {
        let alarm = timeout.and_then(|timeout| Alarm::after(timeout, is_home));
        Self { request, key, since: Instant::now(), timeout, alarm }
    }

    /// Returns the request, with the rest of its timeout.
    pub(super) fn into_request(self) -> Request {
        let mut request = self.request;
        if let Some(timeout) = self.timeout {
            let rest = timeout.saturating_sub(self.since.elapsed());
            request.set_timeout(Some(rest.max(Duration::from_nanos(1))));
        }
        request
    }

    pub(super) fn timed_out(&self, reason: WaitReason) -> Error {
        let congested = "check if it hangs, or send it fewer requests";
        let (cause, remedy) = match reason {
            WaitReason::Restart => {
                ("its worker was still being restarted".to_owned(), "raise the timeout to let it wait longer")
            }
            WaitReason::QueueFull => ("the worker did not read earlier requests".to_owned(), congested),
            WaitReason::MaxCalls => {
                (format!("the worker has not answered {MAX_UNANSWERED_REQUESTS} earlier requests"), congested)
            }
        };
        let text = format!(
            "could not send `{}` within {:?}: {cause}; {remedy}",
            self.request.name(),
            self.timeout.unwrap_or_default()
        );
        Error::new(ErrorKind::Timeout, text).with_executed(Executed::No)
    }
}
