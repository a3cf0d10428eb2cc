//! Why a pool does not run a call, in words.

use isolated_workers_codec::Codec;
use isolated_workers_core::{Error, ErrorKind, Executed};

use super::scheduler::Refusal;
use super::shared::Shared;

#[cold]
pub(super) fn refused<C: Codec>(shared: &Shared<C>, name: &str, refusal: Refusal) -> Error {
    let subject = &shared.subject;
    let last = || {
        let state = shared.lock();
        state.last_failure.as_ref().map_or(String::new(), |last| format!("; the last: {last:#}"))
    };
    let (kind, why) = match refusal {
        Refusal::Full => (
            ErrorKind::Overloaded,
            "the queue of its pool is full; make calls more slowly, or give the pool more workers or a longer queue"
                .to_owned(),
        ),
        Refusal::Dropped => (
            ErrorKind::Overloaded,
            "it has made way for a later call in the queue of its pool, which is full; make calls more slowly, or \
             give the pool more workers or a longer queue"
                .to_owned(),
        ),
        Refusal::Broken => (
            ErrorKind::Crashed,
            format!(
                "the workers of its pool ({subject}) keep crashing, more often than `restart_limit` allows{}; calls are \
                 taken again when a worker comes up",
                last()
            ),
        ),
        Refusal::Gone => (
            ErrorKind::Closed,
            format!("there is no such worker in its pool ({subject}), or it has ended for good; call another one"),
        ),
        Refusal::NoneLeft => (
            ErrorKind::Closed,
            format!(
                "all workers of its pool ({subject}) have ended, and its `Restart` policy starts no others{}; build \
                 another pool",
                last()
            ),
        ),
        Refusal::Closed => {
            (ErrorKind::Closed, format!("its pool ({subject}) was closed or is being drained; build another one"))
        }
    };
    Error::new(kind, format!("could not call `{name}`: {why}")).with_executed(Executed::No)
}

#[cold]
pub(super) fn overdue<C: Codec>(shared: &Shared<C>, name: &str) -> Error {
    let text = format!(
        "could not call `{name}`: no worker of its pool ({}) had room for it within {:?}; make calls more slowly, or \
         give the pool more workers or a longer `queue_timeout`",
        shared.subject, shared.queue_timeout
    );
    Error::new(ErrorKind::Timeout, text).with_executed(Executed::No)
}
