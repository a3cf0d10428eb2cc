use std::task::Context;
use std::time::{Duration, Instant};

use isolated_workers_core::TxId;

use super::super::alarm::Alarm;
use super::super::link_calls::LinkCalls;

/// Time that the connection task gets to end a call whose timeout has elapsed. It first reads the
/// answers that have arrived.
const TASK_GRACE: Duration = Duration::from_millis(100);

/// Deadline of a call in flight that its caller watches itself, because it runs on another runtime
/// than the connection task. The runtime of that task may be blocked, or nobody may drive it.
pub(in super::super) struct OwnDeadline {
    alarm: Alarm,
    /// `true` if the timeout has elapsed and the task was woken because of it.
    has_elapsed: bool,
}

impl OwnDeadline {
    /// `None` if `timeout` is beyond the range of `Instant`.
    pub(super) fn after(timeout: Duration) -> Option<Box<Self>> {
        Some(Box::new(Self { alarm: Alarm::after(timeout, false)?, has_elapsed: false }))
    }

    /// Sets `deadline`, unless it is set, to that of a call in flight whose caller has left the
    /// runtime of the connection task.
    #[cold]
    pub(in super::super) fn watch_moved(deadline: &mut Option<Box<Self>>, link: &dyn LinkCalls, id: &TxId) {
        if deadline.is_none() {
            *deadline = link
                .deadline_away(id)
                .and_then(|until| Self::after(until.saturating_duration_since(Instant::now())));
        }
    }

    /// Ends the calls of `link` that have timed out, if the task did not. Returns `true` if it did
    /// so.
    #[cold]
    pub(in super::super) fn poll(&mut self, link: &dyn LinkCalls, cx: &mut Context<'_>) -> bool {
        while self.alarm.poll(cx).is_ready() {
            if let Some(alarm) = Alarm::after(TASK_GRACE, false) {
                self.alarm = alarm;
            }
            if std::mem::replace(&mut self.has_elapsed, true) {
                link.handle_timeout(Instant::now());
                return true;
            }
            link.wake_task();
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::{Pin, pin};
    use std::sync::Arc;
    use std::task::{Poll, Wake, Waker};
    use std::thread::{Thread, current, park};

    use isolated_workers_codec::Json;
    use isolated_workers_core::{
        Body, Error, ErrorKind, Executed, Limits, Name, Request, Response, SequentialIds,
    };
    use tokio::io::duplex;

    use super::super::super::Link;
    use super::super::{Call, CallState, Suspect};
    use super::*;

    struct Unpark(Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    /// Awaits a call without any runtime.
    fn block_on(call: Call<&Link<Json>>) -> Result<Response, Error> {
        let waker = Waker::from(Arc::new(Unpark(current())));
        let mut call = pin!(call);
        loop {
            match call.as_mut().poll(&mut Context::from_waker(&waker)) {
                Poll::Ready(result) => return result,
                Poll::Pending => park(),
            }
        }
    }

    fn call(link: &Link<Json>, size: usize) -> Call<&Link<Json>> {
        let mut request = Request::new(Name::from("work"), Body::from(vec![b'1'; size]));
        request.set_timeout(Some(Duration::from_millis(50)));
        Call::new(link, request)
    }

    fn suspect(link: &Link<Json>) -> Call<&Link<Json>> {
        let mut call = call(link, 1);
        let CallState::New(request) = &mut call.state else { unreachable!("the call is new") };
        request.extensions_mut().insert(Suspect);
        call
    }

    #[test]
    fn a_call_that_has_waited_names_its_whole_timeout() {
        let (here, _there) = duplex(1 << 16);
        let ids = Arc::new(SequentialIds::default());
        let link = Link::new(Json, Limits::default(), ids, Duration::ZERO, here);
        let poll = |call: &mut Call<_>| Pin::new(call).poll(&mut Context::from_waker(Waker::noop()));
        let (mut first, mut second) = (suspect(&link), suspect(&link));
        assert!(poll(&mut first).is_pending() && poll(&mut second).is_pending());
        // Only one suspect runs at a time.
        drop(first);
        let error = block_on(second).unwrap_err();
        assert_eq!(error.executed(), Executed::Maybe);
        assert!(error.to_string().contains("not answered within 50ms"), "{error}");
    }

    #[test]
    fn a_call_that_leaves_the_runtime_of_its_connection_while_it_waits_keeps_its_timeout() {
        let undriven = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let (link, _there) = undriven.block_on(async {
            let (here, there) = duplex(1 << 16);
            let ids = Arc::new(SequentialIds::default());
            (Link::new(Json, Limits::default(), ids, Duration::ZERO, here), there)
        });
        let mut calls = [suspect(&link), suspect(&link)];
        undriven.block_on(poll_fn(|cx| {
            assert!(calls.iter_mut().all(|call| Pin::new(call).poll(cx).is_pending()));
            Poll::Ready(())
        }));
        // The second call waits for the first one, which never ends.
        let [_first, second] = calls;
        let error = block_on(second).unwrap_err();
        assert_eq!((error.kind(), error.executed()), (ErrorKind::Timeout, Executed::No), "{error}");
    }

    #[test]
    fn calls_time_out_although_nobody_drives_their_connection() {
        let (here, _there) = duplex(16);
        let ids = Arc::new(SequentialIds::default());
        let link = Link::new(Json, Limits::default(), ids, Duration::ZERO, here);
        let error = block_on(call(&link, 3 << 20)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
        assert!(error.to_string().contains("not answered within 50ms"), "{error}");
        // The queue is full now.
        let error = block_on(call(&link, 1)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
        assert!(error.to_string().contains("did not read earlier requests"), "{error}");
    }
}
