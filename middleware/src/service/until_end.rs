//! Part of a callback that ends with the call whose handler has made it, although nobody polls it.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::task::{Context, Poll, Wake, Waker};

use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// Value that is dropped when a token is cancelled: the future or the stream of a callback.
pub(super) struct UntilEnd<T: Send + 'static> {
    value: Arc<Ended<T>>,
    token: CancellationToken,
    /// Keeps the waker that drops the value registered at the token.
    _registered: Pin<Box<WaitForCancellationFutureOwned>>,
}

/// Waker of the token.
struct Ended<T> {
    /// `None` after the end.
    value: Mutex<Option<T>>,
    /// Waker of the task that polls the value.
    waker: Mutex<Option<Waker>>,
}

impl<T: Send + 'static> UntilEnd<T> {
    pub(super) fn new(value: T, token: &CancellationToken) -> Self {
        let value = Arc::new(Ended { value: Mutex::new(Some(value)), waker: Mutex::new(None) });
        let mut registered = Box::pin(token.clone().cancelled_owned());
        let waker = Waker::from(Arc::clone(&value));
        if registered.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
            value.end();
        }
        Self { value, token: token.clone(), _registered: registered }
    }

    /// Polls the value with `poll`. Returns `None` if it has ended.
    pub(super) fn poll<R>(
        &self,
        cx: &mut Context<'_>,
        poll: impl FnOnce(&mut T, &mut Context<'_>) -> Poll<R>,
    ) -> Poll<Option<R>> {
        // A waker is user code: it is cloned and dropped while the mutex is free.
        let waker = cx.waker().clone();
        let replaced = lock(&self.value.waker).replace(waker);
        drop(replaced);
        let polled = match &mut *lock(&self.value.value) {
            Some(value) => poll(value, cx).map(Some),
            None => Poll::Ready(None),
        };
        // Checked after the mutex is released: the token has not waited for it.
        if self.token.is_cancelled() {
            self.value.end();
            return if polled.is_ready() { polled } else { Poll::Ready(None) };
        }
        polled
    }
}

impl<T> Ended<T> {
    /// Drops the value, unless another thread polls it, which does that afterwards.
    fn end(&self) {
        let value = match self.value.try_lock() {
            Ok(mut value) => value.take(),
            Err(TryLockError::Poisoned(value)) => value.into_inner().take(),
            Err(TryLockError::WouldBlock) => None,
        };
        // The mutex is free.
        drop(value);
    }
}

impl<T: Send + 'static> Wake for Ended<T> {
    fn wake(self: Arc<Self>) {
        self.end();
        let waker = lock(&self.waker).take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
