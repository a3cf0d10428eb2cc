use std::time::{Duration, Instant};

use isolated_workers_core::{Error, ErrorKind, Executed, Request};

use super::super::alarm::Alarm;
use super::super::parked::{CallKind, CallTimeout, WaitReason};

/// Call that waits for a worker that is being restarted or for another suspect, or oneway message
/// that waits for its peer. Its timeout runs meanwhile.
pub(super) struct ParkedCall {
    request: Request,
    pub(super) key: u64,
    pub(super) kind: CallKind,
    since: Instant,
    timeout: Option<CallTimeout>,
    pub(super) alarm: Option<Alarm>,
}

impl ParkedCall {
    /// `has_timers`: `true` if the caller runs on the runtime of the connection.
    pub(super) fn new(
        request: Request,
        key: u64,
        kind: CallKind,
        timeout: Option<CallTimeout>,
        has_timers: bool,
    ) -> Self {
        let alarm = timeout.and_then(|timeout| Alarm::after(timeout.rest, has_timers));
        Self { request, key, kind, since: Instant::now(), timeout, alarm }
    }

    /// Returns the request, with the rest of its timeout.
    pub(super) fn into_request(self) -> Request {
        let mut request = self.request;
        if let Some(timeout) = self.timeout {
            let rest = timeout.rest.saturating_sub(self.since.elapsed());
            request.set_rest_of_timeout(rest.max(Duration::from_nanos(1)), timeout.whole);
        }
        request
    }

    /// Error of a call that would wait for calls that may wait for it.
    #[cold]
    pub(super) fn would_deadlock(&self, reason: WaitReason) -> Error {
        let cause = match reason {
            WaitReason::MaxOneways => {
                "the worker has not finished as many earlier oneway messages as it takes"
            }
            _ => "another call that was in flight when its worker crashed is being retried",
        };
        let text = format!(
            "could not send `{}`: {cause}, and may wait for this one, which belongs to a callback; call another \
             worker, or send it in a task of its own",
            self.request.name()
        );
        Error::new(ErrorKind::WouldDeadlock, text).of_call()
    }

    pub(super) fn timed_out(&self, reason: WaitReason) -> Error {
        let congested = "check if it hangs, or send it fewer requests";
        let (cause, remedy) = match reason {
            WaitReason::Restart => {
                ("its worker was still being restarted".to_owned(), "raise the timeout to let it wait longer")
            }
            WaitReason::Suspect => (
                "another call that was in flight when its worker crashed was still being retried".to_owned(),
                "raise the timeout to let it wait longer",
            ),
            WaitReason::QueueFull => ("the worker did not read earlier requests".to_owned(), congested),
            WaitReason::MaxOneways => (
                "the worker has not finished as many earlier oneway messages as it takes".to_owned(),
                congested,
            ),
        };
        let text = format!(
            "could not send `{}` within {:?}: {cause}; {remedy}",
            self.request.name(),
            self.timeout.map_or(Duration::ZERO, |timeout| timeout.whole)
        );
        Error::new(ErrorKind::Timeout, text).with_executed(Executed::No).of_call()
    }
}
