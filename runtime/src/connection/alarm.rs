//! Deadlines of callers, which may run on any runtime or on none.
//!
//! The connection task ends calls in time. A caller on another runtime must not depend on that:
//! the runtime of the task may be blocked, or nobody may drive it. Its own runtime may have no
//! timers. So a thread of this module wakes such callers. It exists only while one of them waits.

use std::collections::BTreeMap;
use std::future::{pending, poll_fn};
use std::pin::Pin;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use tokio::time::{Sleep, sleep_until};

use super::user_code;

/// Time after which the thread ends if no alarm is set.
const IDLE_TIMEOUT: Duration = Duration::from_secs(1);

/// Waits until `at`, on any runtime or none. Never returns if it is `None`.
pub(crate) async fn passed(at: Option<Instant>) {
    let Some(at) = at else { return pending().await };
    let mut alarm = ThreadAlarm::new(at);
    poll_fn(|cx| alarm.poll(cx)).await;
}

/// Timer of one caller.
#[derive(Debug)]
pub(super) enum Alarm {
    /// Timer of the runtime that drives the connection.
    Runtime(Pin<Box<Sleep>>),
    Thread(ThreadAlarm),
}

impl Alarm {
    /// Sets an alarm. `None` if `after` is beyond the range of `Instant`. `is_home`: `true` if the
    /// caller runs on the runtime of the connection, which has timers.
    pub(super) fn after(after: Duration, is_home: bool) -> Option<Self> {
        let at = Instant::now().checked_add(after)?;
        Some(match is_home {
            true => Self::Runtime(Box::pin(sleep_until(at.into()))),
            false => Self::Thread(ThreadAlarm::new(at)),
        })
    }

    /// Continues without the runtime of the connection, which may no longer be driven.
    pub(super) fn leave_runtime(&mut self) {
        if let Self::Runtime(sleep) = self {
            *self = Self::Thread(ThreadAlarm::new(sleep.deadline().into_std()));
        }
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Runtime(sleep) => sleep.as_mut().poll(cx),
            Self::Thread(alarm) => alarm.poll(cx),
        }
    }
}

/// Timer that needs no runtime.
#[derive(Debug)]
pub(super) struct ThreadAlarm {
    at: Instant,
    /// Key among the alarms of the same time. 0 before the first poll.
    key: u64,
}

impl ThreadAlarm {
    fn new(at: Instant) -> Self {
        Self { at, key: 0 }
    }

    fn poll(&mut self, cx: &Context<'_>) -> Poll<()> {
        if Instant::now() >= self.at {
            return Poll::Ready(());
        }
        let waker = cx.waker().clone();
        let mut alarms = lock();
        if self.key == 0 {
            alarms.last_key += 1;
            self.key = alarms.last_key;
        }
        let key = (self.at, self.key);
        let replaced = alarms.wakers.insert(key, waker);
        if !alarms.has_thread {
            // If the thread cannot be started, the connection task still ends the call in time.
            let thread = std::thread::Builder::new().name("isolated-workers alarm".into());
            alarms.has_thread = thread.spawn(run).is_ok();
        } else if replaced.is_none()
            && alarms.wakers.first_key_value().is_some_and(|(first, _)| *first == key)
        {
            CHANGED.notify_one();
        }
        // A waker is user code, so it is dropped after the mutex is released.
        drop(alarms);
        drop(replaced);
        Poll::Pending
    }
}

impl Drop for ThreadAlarm {
    fn drop(&mut self) {
        if self.key != 0 {
            let removed = lock().wakers.remove(&(self.at, self.key));
            drop(removed);
        }
    }
}

static ALARMS: Mutex<Alarms> = Mutex::new(Alarms { wakers: BTreeMap::new(), last_key: 0, has_thread: false });

/// Notified when the earliest alarm has changed.
static CHANGED: Condvar = Condvar::new();

/// Alarms that are set, and the thread that waits for them.
struct Alarms {
    wakers: BTreeMap<(Instant, u64), Waker>,
    last_key: u64,
    has_thread: bool,
}

fn lock() -> MutexGuard<'static, Alarms> {
    ALARMS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn run() {
    let mut alarms = lock();
    loop {
        let now = Instant::now();
        let next = alarms.wakers.first_key_value().map(|((at, _), _)| at.saturating_duration_since(now));
        if next.is_some_and(|rest| rest.is_zero()) {
            let waker = alarms.wakers.pop_first();
            drop(alarms);
            // A waker is user code. Its panic must not take the alarms of others with it.
            user_code::wake_all(waker.map(|(_, waker)| waker));
            alarms = lock();
            continue;
        }
        let waited = CHANGED.wait_timeout(alarms, next.unwrap_or(IDLE_TIMEOUT));
        let (locked, wait) = waited.unwrap_or_else(PoisonError::into_inner);
        alarms = locked;
        if wait.timed_out() && alarms.wakers.is_empty() {
            alarms.has_thread = false;
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::sync::{Arc, Weak};
    use std::task::Wake;

    use super::*;

    /// Waker that sends its number.
    struct Numbered(u32, Sender<u32>);

    impl Wake for Numbered {
        fn wake(self: Arc<Self>) {
            assert_ne!(self.0, 0, "the waker panics");
            self.1.send(self.0).unwrap();
        }
    }

    fn set(alarm: &mut ThreadAlarm, number: u32, sender: &Sender<u32>) -> Weak<Numbered> {
        let waker = Arc::new(Numbered(number, sender.clone()));
        let weak = Arc::downgrade(&waker);
        assert!(alarm.poll(&Context::from_waker(&Waker::from(waker))).is_pending());
        weak
    }

    #[test]
    fn alarms_fire_in_the_order_of_their_times_and_not_after_they_are_dropped() {
        let (sender, receiver): (_, Receiver<u32>) = channel();
        let start = Instant::now();
        let mut alarms =
            [400, 200, 100, 300, 150].map(|millis| ThreadAlarm::new(start + Duration::from_millis(millis)));
        let wakers: Vec<_> =
            (0..).zip(&mut alarms).map(|(number, alarm)| set(alarm, (number + 4) % 5, &sender)).collect();
        let [last, panics, first, dropped, third] = alarms;
        drop(dropped);
        assert!(wakers[3].upgrade().is_none(), "the waker of a dropped alarm is dropped");
        assert_eq!(receiver.iter().take(3).collect::<Vec<_>>(), [1, 3, 4]);
        assert!(Instant::now() >= last.at);
        drop((panics, first, third));
    }

    #[test]
    fn an_alarm_wakes_only_the_last_waker() {
        let (sender, receiver) = channel();
        let mut alarm = ThreadAlarm::new(Instant::now() + Duration::from_millis(50));
        let replaced = set(&mut alarm, 1, &sender);
        set(&mut alarm, 2, &sender);
        assert!(replaced.upgrade().is_none());
        assert_eq!(receiver.recv(), Ok(2));
    }
}
