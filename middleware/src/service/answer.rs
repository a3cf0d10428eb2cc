//! Future of a handler's answer, with the type of the handler's own future erased.
//!
//! A handler has an arm for each message. If each arm awaited a future of its own type, a handler
//! would be one future that has room for all of them, its frame on the stack would hold several
//! copies of each, and the compiler would translate all of that for each method.
#![allow(unsafe_code)] // A future in a fixed memory needs a pointer to it without its type.

use std::fmt;
use std::future;
use std::marker::{PhantomData, PhantomPinned};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use isolated_workers_core::{Error, Response};

use super::BoxFuture;
use super::large_value::{Encoded, LargeValue};

/// Size in bytes up to which a future is stored in its [`Answer`]. A larger one is boxed.
const INLINE_BYTES: usize = 480;

/// Memory of a future, aligned for all futures except rare ones, which are boxed.
#[repr(align(16))]
struct Storage {
    _future: MaybeUninit<[u8; INLINE_BYTES]>,
}

/// Answer of a handler to one message: the future that the functions of
/// [`handler`](crate::handler) return.
///
/// A small future is stored in place, so that most calls allocate nothing for it.
#[must_use = "futures do nothing unless they are awaited"]
pub struct Answer<'a> {
    /// Contains an `F`, for which `poll` and `drop` were made.
    storage: Storage,
    poll: unsafe fn(*mut Storage, &mut Context<'_>) -> Poll<Encoded<Response>>,
    drop: unsafe fn(*mut Storage),
    /// The future, which may borrow and must not move.
    future: PhantomData<(BoxFuture<'a>, PhantomPinned)>,
}

// SAFETY: the only content is an `F`, which `Answer::inline` requires to be `Send`.
unsafe impl Send for Answer<'_> {}

impl<'a> Answer<'a> {
    /// Erases the type of `future`.
    pub fn new<F>(future: F) -> Self
    where
        F: Future<Output = Result<Response, Error>> + Send + 'a,
    {
        Self::encoding(future)
    }

    /// Erases the type of `future`, which may return a response that is still encoded.
    pub(super) fn encoding<F>(future: F) -> Self
    where
        F: Future<Output: Into<Encoded<Response>>> + Send + 'a,
    {
        if const { size_of::<F>() <= INLINE_BYTES && align_of::<F>() <= align_of::<Storage>() } {
            Self::inline(future)
        } else {
            Self::inline(Box::pin(future))
        }
    }

    /// Answer without a handler: the call failed before it.
    #[cold]
    pub fn failed(error: Error) -> Self {
        Self::new(future::ready(Err(error)))
    }

    /// Stores `future`, which must fit.
    #[inline]
    fn inline<F>(future: F) -> Self
    where
        F: Future<Output: Into<Encoded<Response>>> + Send + 'a,
    {
        assert!(size_of::<F>() <= INLINE_BYTES && align_of::<F>() <= align_of::<Storage>());
        let mut storage = Storage { _future: MaybeUninit::uninit() };
        // SAFETY: size and alignment of the memory suffice, and nothing else is in it.
        unsafe { (&raw mut storage).cast::<F>().write(future) };
        Self { storage, poll: poll::<F>, drop: drop::<F>, future: PhantomData }
    }
}

/// Polls the future in `storage`.
///
/// # Safety
/// `storage` contains an `F`, and does not move until the `F` is dropped.
unsafe fn poll<F>(storage: *mut Storage, cx: &mut Context<'_>) -> Poll<Encoded<Response>>
where
    F: Future<Output: Into<Encoded<Response>>>,
{
    // SAFETY: the caller guarantees both.
    unsafe { Pin::new_unchecked(&mut *storage.cast::<F>()) }.poll(cx).map(Into::into)
}

/// Drops the future in `storage`.
///
/// # Safety
/// `storage` contains an `F`, which is not used afterwards.
unsafe fn drop<F>(storage: *mut Storage) {
    // SAFETY: the caller guarantees both.
    unsafe { storage.cast::<F>().drop_in_place() }
}

impl Future for Answer<'_> {
    type Output = Result<Response, Error>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // SAFETY: the storage is not moved. It is pinned, as the answer is not `Unpin`, and
        // contains the future that `poll` was made for until the answer is dropped.
        let polled = unsafe {
            let this = self.as_mut().get_unchecked_mut();
            (this.poll)(&raw mut this.storage, cx)
        };
        match ready!(polled) {
            Encoded::Done(result) => Poll::Ready(result),
            Encoded::Later(large) => self.poll_large(large, cx),
        }
    }
}

impl Answer<'_> {
    /// Keeps `large` instead of the future that has returned it.
    #[cold]
    fn poll_large(
        mut self: Pin<&mut Self>,
        large: Box<LargeValue<Response>>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Response, Error>> {
        self.set(Self::new(large));
        self.poll(cx)
    }
}

impl Drop for Answer<'_> {
    fn drop(&mut self) {
        // SAFETY: the storage contains the future that `drop` was made for.
        unsafe { (self.drop)(&raw mut self.storage) }
    }
}

impl fmt::Debug for Answer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, poll_fn};
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::pin::pin;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::FutureExt;
    use isolated_workers_core::Body;

    use super::*;

    fn reply(text: Vec<u8>) -> Result<Response, Error> {
        Ok(Response::new(Body::from(text)))
    }

    /// Waits once, so that the future is polled again in the same place.
    async fn wait() {
        let mut polled = false;
        poll_fn(|cx| {
            cx.waker().wake_by_ref();
            if std::mem::replace(&mut polled, true) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    async fn answered<const BYTES: usize, T: Default + Send>() -> usize {
        let bytes = [7; BYTES];
        let text = String::from("abc");
        let aligned = T::default();
        let answer = Answer::new(async move {
            wait().await;
            assert!(std::ptr::from_ref(&aligned).is_aligned());
            wait().await;
            reply([text.as_bytes(), &bytes].concat())
        });
        answer.await.unwrap().body().len()
    }

    #[tokio::test]
    async fn small_and_large_futures_give_their_answer() {
        #[derive(Default)]
        #[repr(align(64))]
        struct Aligned;

        assert_eq!(answered::<0, u8>().await, 3);
        assert_eq!(answered::<100, u128>().await, 103);
        assert_eq!(answered::<100, Aligned>().await, 103);
        assert_eq!(answered::<10_000, u8>().await, 10_003);
        let plain = [1, 2, 3];
        let answer = Answer::new(async {
            wait().await;
            reply(plain.to_vec())
        });
        assert_eq!(answer.await.unwrap().body().len(), 3, "the future may borrow");
    }

    /// Counts its drops, and panics at the first if asked to.
    struct Counted {
        drops: Arc<AtomicUsize>,
        panics: bool,
    }

    impl Drop for Counted {
        fn drop(&mut self) {
            self.drops.fetch_add(1, Ordering::Relaxed);
            assert!(!self.panics, "a destructor that panics");
        }
    }

    /// Creates an answer that owns a [`Counted`] and panics when it is polled.
    fn panicking<const BYTES: usize>(drops: &Arc<AtomicUsize>, panics: bool) -> Answer<'static> {
        let (held, bytes) = (Counted { drops: Arc::clone(drops), panics }, [1; BYTES]);
        Answer::new(async move {
            wait().await;
            let _held = held;
            panic!("a handler that panics after {} bytes", bytes.len())
        })
    }

    fn each_drops_once(panicking: fn(&Arc<AtomicUsize>, bool) -> Answer<'static>) {
        let drops = Arc::new(AtomicUsize::new(0));
        let dropped = |case: &str| assert_eq!(drops.swap(0, Ordering::Relaxed), 1, "{case}");
        std::mem::drop(panicking(&drops, false));
        dropped("before the first poll");
        let moved = Box::new(panicking(&drops, false));
        let mut pinned = pin!(*moved);
        assert!(pinned.as_mut().now_or_never().is_none());
        assert!(catch_unwind(AssertUnwindSafe(|| pinned.as_mut().now_or_never())).is_err());
        dropped("by a panic in a poll");
        let answer = panicking(&drops, true);
        assert!(catch_unwind(AssertUnwindSafe(|| std::mem::drop(answer))).is_err());
        dropped("by a destructor that panics");
    }

    #[test]
    fn a_future_that_panics_is_dropped_exactly_once() {
        each_drops_once(panicking::<1>);
        each_drops_once(panicking::<4096>);
    }

    #[test]
    fn the_future_is_dropped_exactly_once() {
        let shared = Arc::new(());
        for bytes in [0, 1] {
            let held = Arc::clone(&shared);
            let large = [bytes; 4096];
            let mut small = pin!(Answer::new(async move {
                let _held = held;
                pending().await
            }));
            let held = Arc::clone(&shared);
            let boxed = Answer::new(async move {
                let _held = (held, large);
                pending().await
            });
            assert!(boxed.now_or_never().is_none());
            assert!(small.as_mut().now_or_never().is_none());
            assert_eq!(Arc::strong_count(&shared), 2);
        }
        assert_eq!(Arc::strong_count(&shared), 1);
    }
}
