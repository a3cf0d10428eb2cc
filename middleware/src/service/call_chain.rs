//! Chains of calls that wait for each other: a call, the callback that its handler makes, a call
//! that the handler of that one makes, and so on.
//!
//! A chain travels in metadata, so that no process has to remember it: each host appends its own
//! worker or pool. Only callbacks and what follows them carry one.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::task::{self, Poll};
use std::time::{Duration, Instant};

use futures_core::Stream;
use isolated_workers_core::{Body, Error, ErrorKind, Items, Metadata, Request};
use pin_project_lite::pin_project;

/// Metadata key for the id of the call whose handler makes a callback.
const PARENT: &str = "iw-parent";

/// Metadata key for the ids of the workers and pools whose calls wait, the first call first.
const CHAIN: &str = "iw-chain";

/// Maximum number of calls that call back in a chain.
pub const MAX_CALLBACKS: usize = 8;

thread_local! {
    /// `true` while [`CURRENT`] holds a chain. Without a destructor, so that a call that belongs to
    /// no chain reads only this.
    static IS_NESTED: Cell<bool> = const { Cell::new(false) };
    /// Chain of the handler that this thread polls.
    static CURRENT: RefCell<Option<CallChain>> = const { RefCell::new(None) };
}

/// Chain that ends with a callback. The calls of its handler inherit the chain and the deadline.
#[derive(Clone, Debug)]
pub struct CallChain {
    /// Ids of workers and pools, separated by spaces.
    ids: String,
    deadline: Option<Instant>,
}

impl CallChain {
    /// Appends the worker or pool `id`, which has sent the callback, to its chain.
    ///
    /// # Errors
    /// `WouldDeadlock` if the chain is too long.
    pub fn of(callback: &Request, id: &str) -> Result<Self, Error> {
        let ids = match callback.metadata().get(CHAIN) {
            Some(ids) if ids.split(' ').count() >= MAX_CALLBACKS => return Err(too_deep(callback.name())),
            Some(ids) => format!("{ids} {id}"),
            None => id.to_owned(),
        };
        Ok(Self { ids, deadline: callback.deadline() })
    }

    /// Returns the items of a handler, whose calls belong to this chain.
    pub fn scope_items(self, items: Items) -> Items {
        Items::new(NestedItems { chain: Some(self), items })
    }

    /// Returns the future `handler`, whose calls belong to this chain.
    pub fn scope<F>(self, handler: F) -> Nested<F> {
        Nested { chain: Some(self), handler }
    }
}

/// Writes the chain of a callback. `parent` is the metadata of the call whose handler makes it.
pub(super) fn begin(callback: &mut Request, parent: &Metadata, parent_id: Option<String>) {
    if let Some(chain) = parent.get(CHAIN) {
        callback.metadata_mut().insert(CHAIN, chain);
        callback.set_nested();
    }
    if let Some(id) = parent_id {
        callback.metadata_mut().insert(PARENT, id);
    }
}

/// Id of the call whose handler has made this callback.
pub(super) fn parent(metadata: &Metadata) -> Option<&str> {
    metadata.get(PARENT)
}

/// Adds the chain of the handler that this thread polls to a call that the handler makes.
#[inline]
pub fn inherit(request: &mut Request) {
    if IS_NESTED.get() {
        inherit_current(request);
    }
}

#[cold]
fn inherit_current(request: &mut Request) {
    let Some(CallChain { ids, deadline }) = CURRENT.with_borrow(Clone::clone) else { return };
    if request.metadata().get(CHAIN).is_none() {
        request.metadata_mut().insert(CHAIN, ids);
    }
    request.set_nested();
    end_by(request, deadline);
}

/// Chain of the handler that this thread polls, for work that the handler starts on another thread.
#[inline]
pub(super) fn current() -> Option<CallChain> {
    if IS_NESTED.get() { CURRENT.with_borrow(Clone::clone) } else { None }
}

/// Runs `work`, whose calls belong to `chain` if there is one.
pub(super) fn within<T>(mut chain: Option<CallChain>, work: impl FnOnce() -> T) -> T {
    let _entered = chain.is_some().then(|| Entered::into(&mut chain));
    work()
}

/// Makes a call end at `deadline` at the latest. The callee learns of it, too.
pub(super) fn end_by(request: &mut Request, deadline: Option<Instant>) {
    let Some(at) = deadline else { return };
    // Zero would mean no limit.
    let rest = at.saturating_duration_since(Instant::now()).max(Duration::from_nanos(1));
    match request.timeout() {
        None => request.inherit_timeout(rest),
        Some(own) if own.is_zero() => request.set_timeout(Some(rest)),
        Some(own) => request.set_timeout(Some(own.min(rest))),
    }
    request.set_deadline(Some(request.deadline().map_or(at, |own| own.min(at))));
}

/// Marks a request with a chain as nested again after it was returned unsent, which loses the mark.
pub fn restore(request: &mut Request) {
    if request.metadata().get(CHAIN).is_some() {
        request.set_nested();
    }
}

/// Returns `true` if a call of the worker or pool with this id waits for `request`.
pub fn waits_in(request: &Request, id: &str) -> bool {
    request.metadata().get(CHAIN).is_some_and(|chain| chain.split(' ').any(|other| other == id))
}

/// Checks that no handler waits until the worker or pool with this `id` has finished its calls,
/// although one of them waits for the handler. `attempt`: what the handler does, such as "drain the
/// pool (worker)".
///
/// # Errors
/// `WouldDeadlock` in a handler of a callback of this worker or pool.
pub fn check_outside(id: &str, attempt: impl FnOnce() -> String) -> Result<(), Error> {
    let is_within = current().is_some_and(|chain| chain.ids.split(' ').any(|other| other == id));
    if !is_within {
        return Ok(());
    }
    let text = format!(
        "could not {}: its calls are finished first, and one of them waits for the callback that waits for this; \
         spawn a task for it",
        attempt()
    );
    Err(Error::new(ErrorKind::WouldDeadlock, text))
}

/// Items of a nested handler. They belong to its chain.
struct NestedItems {
    chain: Option<CallChain>,
    items: Items,
}

impl Stream for NestedItems {
    type Item = Result<Body, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let _entered = Entered::into(&mut this.chain);
        Pin::new(&mut this.items).poll_next(cx)
    }
}

pin_project! {
    /// Future of [`CallChain::scope`].
    pub struct Nested<F> {
        // `None` while the future is polled.
        chain: Option<CallChain>,
        #[pin]
        handler: F,
    }
}

impl<F: Future> Future for Nested<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _entered = Entered::into(this.chain);
        this.handler.poll(cx)
    }
}

/// Makes a chain that of this thread, and returns it to its owner when dropped, also by a panic.
struct Entered<'a> {
    outer: Option<CallChain>,
    chain: &'a mut Option<CallChain>,
}

impl<'a> Entered<'a> {
    fn into(chain: &'a mut Option<CallChain>) -> Self {
        let outer = CURRENT.replace(chain.take());
        IS_NESTED.set(true);
        Self { outer, chain }
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        IS_NESTED.set(self.outer.is_some());
        *self.chain = CURRENT.replace(self.outer.take());
    }
}

#[cold]
fn too_deep(name: &str) -> Error {
    let text = format!(
        "could not call `{name}`: {MAX_CALLBACKS} callbacks wait for each other already; end the recursion"
    );
    Error::new(ErrorKind::WouldDeadlock, text)
}

#[cfg(test)]
mod tests {
    use std::panic::AssertUnwindSafe;

    use futures_util::FutureExt;
    use isolated_workers_core::{Body, Name};

    use super::*;

    fn request() -> Request {
        Request::new(Name::from_static("step"), Body::empty())
    }

    fn inherited() -> Request {
        let mut request = request();
        inherit(&mut request);
        request
    }

    fn chain(callback: &Request, id: &str) -> CallChain {
        CallChain::of(callback, id).unwrap()
    }

    #[test]
    fn calls_of_a_nested_handler_belong_to_its_chain_and_others_do_not() {
        let mut callback = request();
        let deadline = Instant::now();
        callback.set_deadline(Some(deadline));
        let outer = chain(&callback, "pool-1").scope(async {
            let call = inherited();
            assert!(waits_in(&call, "pool-1") && !waits_in(&call, "pool"));
            assert_eq!(call.deadline(), Some(deadline));
            let inner = chain(&call, "pool-2").scope(async { inherited() }).await;
            assert!(waits_in(&inner, "pool-1") && waits_in(&inner, "pool-2"));
            assert!(!waits_in(&inherited(), "pool-2"), "the inner handler has ended");
        });
        outer.now_or_never().unwrap();
        assert!(inherited().metadata().is_empty());
    }

    #[test]
    fn a_panic_of_a_nested_handler_ends_its_chain() {
        let nested = chain(&request(), "pool-1").scope(async { panic!("out of cheese") });
        assert!(AssertUnwindSafe(nested).catch_unwind().now_or_never().unwrap().is_err());
        assert!(inherited().metadata().is_empty());
    }

    #[test]
    fn a_chain_has_a_maximum_length() {
        let mut call = request();
        for _ in 0..MAX_CALLBACKS {
            call = chain(&call, "pool").scope(async { inherited() }).now_or_never().unwrap();
        }
        let error = CallChain::of(&call, "pool").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldDeadlock);
        assert!(error.to_string().contains("8 callbacks wait for each other"), "{error}");
    }
}
