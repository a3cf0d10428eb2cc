//! Errors of calls that a pool does not run.

use std::fmt;

use isolated_workers_codec::Codec;
use isolated_workers_core::{Error, ErrorKind, Executed};

use super::scheduler::Refusal;
use super::state::{PoolEnd, PoolShared};

/// Action that a pool did not take.
#[derive(Clone, Copy)]
pub(super) enum AttemptedAction<'a> {
    /// Call with this message.
    Call(&'a str),
    CheckOut,
}

impl fmt::Display for AttemptedAction<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call(name) => write!(f, "call `{name}`"),
            Self::CheckOut => f.write_str("check out a worker"),
        }
    }
}

#[cold]
pub(super) fn refused<C: Codec>(
    shared: &PoolShared<C>,
    attempt: AttemptedAction<'_>,
    refusal: Refusal,
) -> Error {
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
        // The permit may be that of a call that waits for this one.
        Refusal::WouldWait => (
            ErrorKind::WouldDeadlock,
            format!(
                "its pool ({subject}) has no free worker, and the call that this one belongs to keeps a worker of \
                 the same pool until it ends; give the pool more workers or a higher `max_in_flight`, or call \
                 another pool"
            ),
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
            (ErrorKind::Closed, format!("its pool ({subject}) {}", no_longer_open(shared)))
        }
    };
    Error::new(kind, format!("could not {attempt}: {cause}")).with_executed(Executed::No).of_call()
}

/// Error of a call that was in flight when the pool lost its supervisor.
#[cold]
pub(super) fn lost_in_flight<C: Codec>(shared: &PoolShared<C>, name: &str) -> Error {
    let text =
        format!("could not complete `{name}`: its pool ({}) {}", shared.subject, no_longer_open(shared));
    Error::new(ErrorKind::Closed, text)
}

/// Error of an operation on a pool that is no longer open.
pub(super) fn pool_ended<C: Codec>(shared: &PoolShared<C>, verb: &str) -> Error {
    let text = format!("could not {verb} the pool ({}): it {}", shared.subject, no_longer_open(shared));
    Error::new(ErrorKind::Closed, text)
}

/// Predicate and remedy for a pool that is no longer open.
fn no_longer_open<C: Codec>(shared: &PoolShared<C>) -> &'static str {
    match shared.end() {
        None | Some(PoolEnd::Closed { .. }) => "is closed or draining; build another pool",
        Some(PoolEnd::RuntimeGone) => {
            "has ended, because the runtime on which the pool was built was shut down; build a pool on a runtime \
             that outlives its calls"
        }
        Some(PoolEnd::Panicked) => {
            "has ended, because its supervisor panicked; fix the panic, which standard error shows, and build \
             another pool"
        }
    }
}

#[cold]
pub(super) fn queue_timed_out<C: Codec>(shared: &PoolShared<C>, attempt: AttemptedAction<'_>) -> Error {
    let text = format!(
        "could not {attempt}: no worker of its pool ({}) was free within {:?}; send fewer calls, or give \
         the pool more workers or a longer `queue_timeout`",
        shared.subject, shared.queue_timeout
    );
    Error::new(ErrorKind::Timeout, text).with_executed(Executed::No).of_call()
}

#[cold]
pub(super) fn deadline_passed<C: Codec>(shared: &PoolShared<C>, attempt: AttemptedAction<'_>) -> Error {
    let text = format!(
        "could not {attempt}: no worker of its pool ({}) was free before its deadline; send fewer calls, or \
         give the pool more workers or the call more time",
        shared.subject
    );
    Error::new(ErrorKind::Timeout, text).with_executed(Executed::No).of_call()
}

/// Error of a call whose session has ended. `crash`: crash of its worker, if it is known.
#[cold]
pub(super) fn session_ended<C: Codec>(
    shared: &PoolShared<C>,
    name: &str,
    is_given_back: bool,
    crash: Option<&Error>,
) -> Error {
    let cause = match crash {
        _ if is_given_back => {
            "its session has ended, because its worker was given back; check out a worker again".to_owned()
        }
        Some(crash) => format!(
            "the worker of its session has ended, and the state of the session is lost: {crash:#}; check out \
             another worker"
        ),
        None if shared.end().is_some() => {
            format!("the pool of its session ({}) {}", shared.subject, no_longer_open(shared))
        }
        None => {
            "the worker of its session has ended or is ending, and the state of the session is lost; check \
                 out another worker"
                .to_owned()
        }
    };
    let text = format!("could not call `{name}`: {cause}");
    Error::new(ErrorKind::Closed, text).with_executed(Executed::No).of_call()
}
