use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::task::AtomicWaker;
use pin_project_lite::pin_project;

pin_project! {
    /// Future that is polled only after its own waker was called, however often its task is polled.
    ///
    /// For rare events that are awaited beside a connection: its task is polled for each call, and
    /// polling a `watch` each time would cost 145 instructions per call.
    pub(crate) struct PollOnWake<F> {
        #[pin]
        future: F,
        signal: Arc<Signal>,
        // Made of `signal`.
        waker: Waker,
        // Waker of the task whose clone is registered in `signal`.
        task: Option<WakerId>,
    }
}

struct Signal {
    is_woken: AtomicBool,
    task: AtomicWaker,
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.is_woken.store(true, Ordering::Release);
        self.task.wake();
    }
}

/// Addresses of a waker's data and functions. The registered clone keeps them valid.
///
/// `Waker::will_wake` is not enough: if a program has several copies of the table of functions, as
/// with several codegen units, it returns `false` for a clone.
type WakerId = (usize, usize);

fn id(waker: &Waker) -> WakerId {
    (waker.data().addr(), std::ptr::from_ref(waker.vtable()).addr())
}

impl<F: Future> PollOnWake<F> {
    pub(crate) fn new(future: F) -> Self {
        let signal = Arc::new(Signal { is_woken: AtomicBool::new(true), task: AtomicWaker::new() });
        let waker = Waker::from(Arc::clone(&signal));
        Self { future, signal, waker, task: None }
    }
}

impl<F: Future> Future for PollOnWake<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let task = Some(id(cx.waker()));
        if *this.task == task && !this.signal.is_woken.load(Ordering::Acquire) {
            return Poll::Pending;
        }
        // `wake` has taken the registered waker, so it is registered again.
        this.signal.task.register(cx.waker());
        *this.task = task;
        this.signal.is_woken.swap(false, Ordering::AcqRel);
        this.future.poll(&mut Context::from_waker(this.waker))
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, poll_fn};
    use std::pin::pin;

    use super::*;

    #[derive(Default)]
    struct Count(std::sync::atomic::AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn the_future_is_polled_again_only_after_its_own_waker() {
        let (mut polls, mut waker) = (0, None);
        let future = poll_fn(|cx| {
            polls += 1;
            match waker.replace(cx.waker().clone()) {
                Some(_) => Poll::Ready(polls),
                None => Poll::Pending,
            }
        });
        let mut future = pin!(PollOnWake::new(future));
        let task = Arc::new(Count::default());
        let task_waker = Waker::from(Arc::clone(&task));
        let mut cx = Context::from_waker(&task_waker);
        for _ in 0..3 {
            assert!(future.as_mut().poll(&mut cx).is_pending());
        }
        future.as_mut().project().waker.wake_by_ref();
        assert_eq!(task.0.load(Ordering::Relaxed), 1);
        assert_eq!(future.poll(&mut cx), Poll::Ready(2));
    }

    #[test]
    fn another_task_that_takes_over_is_woken() {
        let mut future = pin!(PollOnWake::new(pending::<()>()));
        let tasks = [Arc::new(Count::default()), Arc::new(Count::default())];
        for task in &tasks {
            let waker = Waker::from(Arc::clone(task));
            assert!(future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        }
        future.as_mut().project().waker.wake_by_ref();
        assert_eq!(tasks.map(|task| task.0.load(Ordering::Relaxed)), [0, 1]);
    }
}
