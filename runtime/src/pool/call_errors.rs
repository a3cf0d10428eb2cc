//! Errors of calls that a pool does not run.

use isolated_workers_codec::Codec;
use isolated_workers_core::{Error, ErrorKind, Executed};

use super::scheduler::Refusal;
use super::state::PoolShared;

#[cold]
pub(super) fn refused<C: Codec>(shared: &PoolShared<C>, name: &str, refusal: Refusal) -> Error {
    let subject = &shared.subject;
    let last_failure = || {
        let state = shared.lock();
        state.last_failure.as_ref().map_or(String::new(), |last| format!("; the last failure: {last:#}"))
    };
    let (kind, cause) = match refusal {
        Refusal::Full => (
            ErrorKind::Overloaded,
            "the queue of its pool is full; send fewer calls, or give the pool more workers or a longer queue"
                .to_owned(),
        ),
        Refusal::Dropped => (
            ErrorKind::Overloaded,
            "the pool's queue is full and a newer call replaced it; send fewer calls, or give \
             the pool more workers or a longer queue"
                .to_owned(),
        ),
        Refusal::Broken => (
            ErrorKind::Crashed,
            format!(
                "the workers of its pool ({subject}) keep crashing, more often than `restart_limit` allows{}; fix \
                 the crash; the pool accepts calls again once a worker starts",
                last_failure()
            ),
        ),
        Refusal::Gone => (
            ErrorKind::Closed,
            format!("its pool ({subject}) has no such worker, or the worker has ended and is not replaced; call another worker"),
        ),
        Refusal::NoneLeft => (
            ErrorKind::Closed,
            format!(
                "all workers of its pool ({subject}) have ended, and its `Restart` policy starts no others{}; build \
                 another pool",
                last_failure()
            ),
        ),
        Refusal::Closed => {
            (ErrorKind::Closed, format!("its pool ({subject}) is closed or draining; build another pool"))
        }
    };
    Error::new(kind, format!("could not call `{name}`: {cause}")).with_executed(Executed::No)
}

#[cold]
pub(super) fn queue_timed_out<C: Codec>(shared: &PoolShared<C>, name: &str) -> Error {
    let text = format!(
        "could not call `{name}`: no worker of its pool ({}) was free within {:?}; send fewer calls, or give \
         the pool more workers or a longer `queue_timeout`",
        shared.subject, shared.queue_timeout
    );
    Error::new(ErrorKind::Timeout, text).with_executed(Executed::No)
}
