//! Workers that are checked out for a session.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::select_all;
use futures_util::{FutureExt, poll};
use isolated_workers::ErrorKind;
use isolated_workers::error::Executed;
use isolated_workers::host::{OnCrash, Timeouts};
use isolated_workers::layer::on_request;
use isolated_workers::pool::{Checkout, WhenFull, WorkerId};
use isolated_workers::protocol::Request;
use isolated_workers_test_support::process::PidFd;
use tokio::spawn;

use super::jobs::JobsClient;
use super::jobs::jobs::Pid;
use super::stage::Stage;
use super::*;

/// A session can be stored, and so can its client.
struct Session {
    checkout: Checkout,
    client: JobsClient<Checkout>,
}

impl Session {
    async fn of(pool: &Pool) -> Self {
        Self::new(soon(pool.checkout()).await.unwrap())
    }

    fn new(checkout: Checkout) -> Self {
        Self { client: JobsClient::new(checkout.clone()), checkout }
    }

    async fn pid(&self) -> u32 {
        soon(self.client.pid()).await.unwrap()
    }

    async fn remember(&self, number: u64) -> Vec<u64> {
        soon(self.client.remember(number)).await.unwrap()
    }
}

async fn pid(pool: &Pool) -> u32 {
    soon(JobsClient::new(pool.clone()).pid()).await.unwrap()
}

#[tokio::test]
async fn the_calls_of_a_session_run_in_one_worker_and_no_others_do() {
    let pool = started(pool(2)).await;
    let session = Session::of(&pool).await;
    let own = session.pid().await;
    assert_eq!(session.checkout.pid(), Some(own));
    for number in 1..20 {
        assert_eq!(session.remember(number).await, (1..=number).collect::<Vec<_>>());
        assert_ne!(pid(&pool).await, own);
    }
    let other = Session::of(&pool).await;
    assert_ne!(other.pid().await, own);
    assert_ne!(other.checkout.worker(), session.checkout.worker());
}

#[tokio::test]
async fn calls_of_a_session_run_concurrently() {
    let (pool, stage) = (started(pool(1)).await, Stage::new());
    let session = soon(pool.checkout()).await.unwrap();
    let calls = ["a", "b", "c"].map(|name| spawn(stage.hold(session.clone(), name)));
    let _held = [stage.next().await, stage.next().await, stage.next().await];
    assert_eq!(pool.stats().workers[0].in_flight, 1, "a session counts as one call");
    drop(_held);
    for call in calls {
        assert_eq!(soon(call).await.unwrap().unwrap(), session.pid().unwrap());
    }
}

#[tokio::test]
async fn a_worker_that_was_given_back_takes_calls_with_its_state() {
    let pool = started(pool(1)).await;
    let session = Session::of(&pool).await;
    session.remember(1).await;
    let waits = JobsClient::new(pool.clone());
    let mut waits = Box::pin(waits.remember(2));
    assert!(poll!(&mut waits).is_pending());
    assert_eq!(pool.stats().queued, 1);
    session.checkout.give_back();
    assert_eq!(soon(waits).await.unwrap(), [1, 2]);
    assert_eq!(pool.stats().restarts(), 0);
}

#[tokio::test]
async fn the_worker_of_a_dropped_session_is_killed_and_replaced() {
    let pool = started(pool(1)).await;
    let session = Session::of(&pool).await;
    session.remember(1).await;
    let process = PidFd::open(session.pid().await);
    drop(session);
    assert_eq!(soon(JobsClient::new(pool.clone()).remember(2)).await.unwrap(), [2]);
    assert!(process.ends_within(HANG_TIMEOUT));
    let worker = &pool.stats().workers[0];
    assert_eq!((worker.restarts, worker.crashes, worker.killed, worker.checked_out), (1, 0, 0, 0));
    assert!(worker.last_error.is_none());
}

#[tokio::test]
async fn a_spare_takes_the_place_of_a_worker_whose_session_was_dropped() {
    let pool = started(pool(1).spare(1)).await;
    until(&pool, |stats| stats.spares.ready == 1).await;
    let spare = pool.stats().spares.pids[0];
    drop(Session::of(&pool).await);
    assert_eq!(pid(&pool).await, spare);
}

#[tokio::test]
async fn an_ended_session_reaches_no_later_one() {
    let pool = started(pool(1)).await;
    let ended = Session::of(&pool).await;
    ended.checkout.clone().give_back();
    let session = Session::of(&pool).await;
    let error = soon(ended.client.remember(1)).await.unwrap_err();
    assert_error(&error, ErrorKind::Closed, &["could not call `remember`", "was given back"]);
    assert_eq!(error.executed(), Executed::No);
    // The end of the first handle does not end the later session.
    drop(ended);
    assert_eq!(session.remember(2).await, [2]);
}

#[tokio::test]
async fn checkouts_and_calls_wait_in_one_queue() {
    let (pool, stage) = (started(pool(1)).await, Stage::new());
    let _first = spawn(stage.hold(pool.clone(), "first"));
    let first = stage.next().await;
    let _older = spawn(stage.hold(pool.clone(), "older"));
    queued(&pool, 1).await;
    let mut low = Box::pin(pool.checkout());
    assert!(poll!(&mut low).is_pending());
    let _younger = spawn(stage.hold(pool.clone(), "younger"));
    queued(&pool, 3).await;
    let urgent = pool.with_priority(1);
    let mut high = Box::pin(urgent.checkout());
    assert!(poll!(&mut high).is_pending());
    drop(first);
    let high = soon(high).await.unwrap();
    assert_eq!(pool.stats().queued, 3);
    high.give_back();
    drop(stage.next().await);
    let low = soon(low).await.unwrap();
    assert_eq!(pool.stats().queued, 1);
    low.give_back();
    assert_eq!(stage.next().await.name, "younger");
}

#[tokio::test]
async fn calls_do_not_starve_a_checkout_that_needs_an_idle_worker() {
    let (pool, stage) = (started(pool(1).max_in_flight(2)).await, Stage::new());
    let calls = ["a", "b"].map(|name| spawn(stage.hold(pool.clone(), name)));
    let (first, second) = (stage.next().await, stage.next().await);
    let mut checkout = Box::pin(pool.checkout());
    assert!(poll!(&mut checkout).is_pending());
    let _younger = spawn(stage.hold(pool.clone(), "younger"));
    queued(&pool, 2).await;
    drop(first);
    let (ended, _, _others) = soon(select_all(calls)).await;
    ended.unwrap().unwrap();
    assert!(poll!(&mut checkout).is_pending(), "a call is in flight");
    assert_eq!(pool.stats().queued, 2, "the free permit is kept for the checkout");
    drop(second);
    let session = soon(checkout).await.unwrap();
    assert_eq!(pool.stats().queued, 1);
    session.give_back();
    assert_eq!(stage.next().await.name, "younger");
}

#[tokio::test]
async fn a_checkout_that_is_cancelled_lets_other_calls_run() {
    let (pool, stage) = (started(pool(1).max_in_flight(2)).await, Stage::new());
    let _first = spawn(stage.hold(pool.clone(), "first"));
    let _held = stage.next().await;
    let mut checkout = Box::pin(pool.checkout());
    assert!(poll!(&mut checkout).is_pending());
    let _younger = spawn(stage.hold(pool.clone(), "younger"));
    queued(&pool, 2).await;
    drop(checkout);
    assert_eq!(stage.next().await.name, "younger");
}

#[tokio::test]
async fn a_checkout_that_is_dropped_after_it_got_a_worker_gives_it_back() {
    let pool = started(pool(1)).await;
    let session = Session::of(&pool).await;
    session.remember(1).await;
    let mut unpolled = Box::pin(pool.checkout());
    assert!(poll!(&mut unpolled).is_pending());
    session.checkout.give_back();
    assert_eq!(pool.stats().checked_out(), 1);
    drop(unpolled);
    assert_eq!(soon(JobsClient::new(pool.clone()).remember(2)).await.unwrap(), [1, 2]);
}

#[tokio::test]
async fn a_waiting_checkout_fails_after_the_queue_timeout() {
    let pool = started(pool(1).queue_timeout(Duration::from_millis(50))).await;
    let session = Session::of(&pool).await;
    let error = soon(pool.checkout()).await.unwrap_err();
    assert_error(&error, ErrorKind::Timeout, &["could not check out a worker", "`queue_timeout`"]);
    assert_eq!((error.executed(), pool.stats().queued), (Executed::No, 0));
    session.checkout.give_back();
    soon(pool.checkout()).await.unwrap().give_back();
}

#[tokio::test]
async fn a_full_queue_refuses_a_checkout_as_it_refuses_a_call() {
    for when_full in [WhenFull::Reject, WhenFull::DropOldest] {
        let pool = started(pool(1).queue(1, when_full)).await;
        let session = Session::of(&pool).await;
        let mut first = Box::pin(pool.checkout());
        assert!(poll!(&mut first).is_pending());
        let mut second = Box::pin(pool.checkout());
        let refused = match when_full {
            WhenFull::Reject => soon(second).await,
            _ => {
                assert!(poll!(&mut second).is_pending());
                soon(first).await
            }
        };
        assert_error(&refused.unwrap_err(), ErrorKind::Overloaded, &["could not check out a worker"]);
        session.checkout.give_back();
    }
}

#[tokio::test]
async fn a_crash_ends_the_session_and_nothing_else() {
    let (pool, stage) = (started(pool(1).on_crash(OnCrash::retry(3))).await, Stage::new());
    let session = Session::of(&pool).await;
    let own = session.pid().await;
    // A message with retries is not retried either.
    let call = spawn(stage.hold_again(session.checkout.clone(), "call"));
    let _held = stage.next().await;
    kill(own);
    let error = soon(call).await.unwrap().unwrap_err();
    assert_error(&error, ErrorKind::Crashed, &["SIGKILL", "while `hold_again` was in flight"]);
    assert_ne!(pid(&pool).await, own);
    let error = soon(session.client.echo(1)).await.unwrap_err();
    assert_error(&error, ErrorKind::Closed, &["the state of the session is lost", "SIGKILL"]);
    assert_eq!(error.executed(), Executed::No);
    // A worker that has crashed does not go back.
    session.checkout.give_back();
    let stats = pool.stats();
    assert_eq!((stats.workers[0].crashes, stats.restarts(), stats.checked_out()), (1, 1, 0));
}

#[tokio::test]
async fn a_poison_call_of_a_session_runs_once() {
    let (pool, journal) = (started(pool(2).on_crash(OnCrash::retry(3))).await, tempfile::tempdir().unwrap());
    let path = journal.path().join("runs");
    let session = Session::of(&pool).await;
    let error = soon(session.client.poison(path.display().to_string())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Crashed, "{error}");
    assert_eq!(std::fs::read_to_string(path).unwrap().lines().count(), 1);
}

#[tokio::test]
async fn with_max_calls_of_one_each_session_has_a_process_of_its_own() {
    let pool = started(pool(1).max_calls(1)).await;
    let mut seen = Vec::new();
    for number in 0..3 {
        let session = Session::of(&pool).await;
        assert_eq!(session.remember(number).await, [number]);
        assert_eq!(session.remember(9).await, [number, 9]);
        seen.push(session.pid().await);
        session.checkout.give_back();
    }
    seen.dedup();
    assert_eq!(seen.len(), 3, "{seen:?}");
}

#[tokio::test]
async fn a_worker_is_replaced_for_others_and_ends_with_its_session() {
    let pool = started(pool(1)).await;
    let session = Session::of(&pool).await;
    session.remember(1).await;
    let process = PidFd::open(session.pid().await);
    let mut reload = Box::pin(pool.reload());
    assert!(poll!(&mut reload).is_pending());
    // The replacement takes calls, and the session keeps its worker.
    assert_eq!(soon(JobsClient::new(pool.clone()).remember(2)).await.unwrap(), [2]);
    assert_eq!(session.remember(3).await, [1, 3]);
    assert!(poll!(&mut reload).is_pending(), "the session has not ended");
    assert_eq!((pool.stats().checked_out(), pool.stats().workers[0].retiring), (1, 1));
    session.checkout.give_back();
    soon(reload).await.unwrap();
    assert!(process.ends_within(HANG_TIMEOUT));
}

#[tokio::test]
async fn a_session_counts_as_one_call_towards_recycling() {
    let pool = started(pool(1).recycle_after(2)).await;
    let session = Session::of(&pool).await;
    for number in 0..10 {
        session.remember(number).await;
    }
    assert_eq!((pool.stats().restarts(), pool.stats().workers[0].done), (0, 0));
    session.checkout.give_back();
    assert_eq!(pool.stats().workers[0].done, 1);
    pid(&pool).await;
    until(&pool, |stats| stats.restarts() == 1).await;
}

#[tokio::test]
async fn a_worker_with_a_session_does_not_end_because_it_is_idle() {
    let pool =
        started(Pool::builder(Program::new(WORKER)).size(0..=2).idle_timeout(Duration::from_millis(50)))
            .await;
    let session = Session::of(&pool).await;
    session.remember(1).await;
    let other = PidFd::open(pid(&pool).await);
    // The other one becomes idle later, and ends.
    until(&pool, |stats| stats.workers.iter().filter(|worker| worker.pid.is_some()).count() == 1).await;
    assert!(other.ends_within(HANG_TIMEOUT));
    assert_eq!(session.remember(2).await, [1, 2]);
}

#[tokio::test]
async fn drain_waits_for_the_sessions() {
    let pool = started(pool(1)).await;
    let session = Session::of(&pool).await;
    let mut drain = Box::pin(pool.drain());
    assert!(poll!(&mut drain).is_pending());
    // The supervisor starts to drain in its own task, so checkouts are refused a little later.
    let refused = soon(async {
        loop {
            if let Some(Err(error)) = pool.checkout().now_or_never() {
                break error;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_error(&refused, ErrorKind::Closed, &["could not check out a worker", "closed or draining"]);
    assert_eq!(session.remember(1).await, [1]);
    assert!(poll!(&mut drain).is_pending());
    session.checkout.give_back();
    soon(drain).await.unwrap();
}

#[tokio::test]
async fn drain_ends_a_session_after_its_timeout() {
    let timeouts = Timeouts::default().drain(Duration::from_millis(50));
    let (pool, stage) = (started(pool(1).timeouts(timeouts)).await, Stage::new());
    let session = Session::of(&pool).await;
    let call = spawn(stage.hold(session.checkout.clone(), "call"));
    let _held = stage.next().await;
    let waits = pool.clone();
    let waits = spawn(async move { waits.checkout().await });
    queued(&pool, 1).await;
    soon(pool.drain()).await.unwrap();
    assert_eq!(soon(waits).await.unwrap().unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(soon(call).await.unwrap().unwrap_err().kind(), ErrorKind::Closed);
    let error = soon(session.client.echo(1)).await.unwrap_err();
    assert_error(&error, ErrorKind::Closed, &["could not call `echo`", "closed or draining"]);
}

#[tokio::test]
async fn close_and_kill_end_the_sessions() {
    for kills in [false, true] {
        let (pool, stage) = (started(pool(1)).await, Stage::new());
        let session = Session::of(&pool).await;
        let call = spawn(stage.hold(session.checkout.clone(), "call"));
        let _held = stage.next().await;
        if kills {
            pool.kill();
            soon(pool.closed()).await;
        } else {
            soon(pool.close()).await.unwrap();
        }
        assert_eq!(soon(call).await.unwrap().unwrap_err().kind(), ErrorKind::Closed);
        let error = soon(session.client.echo(1)).await.unwrap_err();
        assert_error(&error, ErrorKind::Closed, &["closed or draining"]);
        assert_error(&soon(pool.checkout()).await.unwrap_err(), ErrorKind::Closed, &["check out"]);
    }
}

#[tokio::test]
async fn a_session_keeps_its_pool_open() {
    let pool = started(pool(1)).await;
    let session = Session::of(&pool).await;
    drop(pool);
    assert_eq!(session.remember(1).await, [1]);
}

#[tokio::test]
async fn calls_and_streams_in_flight_keep_a_worker_in_use_after_it_was_given_back() {
    let (pool, stage) = (started(pool(1)).await, Stage::new());
    let session = Session::of(&pool).await;
    let call = spawn(stage.hold(session.checkout.clone(), "call"));
    let held = stage.next().await;
    let mut numbers = session.client.count(stage.path(), "stream".into(), 1, 1);
    assert_eq!(soon(numbers.next()).await.unwrap().unwrap(), 0);
    let stream = stage.next().await;
    session.checkout.give_back();
    assert_eq!(pool.stats().checked_out(), 0);
    let waits = JobsClient::new(pool.clone());
    let mut waits = Box::pin(waits.pid());
    assert!(poll!(&mut waits).is_pending());
    drop(held);
    soon(call).await.unwrap().unwrap();
    assert!(poll!(&mut waits).is_pending(), "the stream has not ended");
    drop(stream);
    assert_eq!(soon(numbers.next()).await.unwrap().unwrap(), 1);
    assert!(soon(numbers.next()).await.is_none());
    assert_eq!(Some(soon(waits).await.unwrap()), session.checkout.pid());
}

#[tokio::test]
async fn a_hung_worker_does_not_go_back() {
    let timeouts = Timeouts::default().cancel(Duration::from_millis(500));
    let (pool, stage) = (started(pool(1).timeouts(timeouts)).await, Stage::new());
    let session = Session::of(&pool).await;
    let process = PidFd::open(session.pid().await);
    let _hangs = stage.hang(session.checkout.clone()).await;
    session.checkout.give_back();
    assert_ne!(Some(pid(&pool).await), session.checkout.pid());
    assert!(process.ends_within(HANG_TIMEOUT));
    assert_eq!(pool.stats().hung(), 1);
}

#[tokio::test]
async fn a_checkout_of_a_key_or_an_id_gets_its_worker_and_their_calls_wait() {
    let (pool, stage) = (started(pool(3)).await, Stage::new());
    let by_id = Session::new(soon(pool.on(WorkerId(1)).checkout()).await.unwrap());
    assert_eq!(by_id.checkout.worker(), WorkerId(1));
    by_id.checkout.give_back();
    let keyed = soon(JobsClient::new(pool.with_key("Ada")).pid()).await.unwrap();
    let by_key = Session::new(soon(pool.with_key("Ada").checkout()).await.unwrap());
    assert_eq!(by_key.pid().await, keyed);
    let waits = spawn(stage.hold(pool.with_key("Ada"), "Ada"));
    queued(&pool, 1).await;
    by_key.checkout.give_back();
    assert_eq!(stage.next().await.name, "Ada");
    assert_eq!(soon(waits).await.unwrap().unwrap(), keyed);
}

#[tokio::test]
async fn a_broadcast_reaches_a_worker_when_it_is_given_back() {
    let pool = started(pool(2)).await;
    let session = Session::of(&pool).await;
    let message = Pid {};
    let mut broadcast = Box::pin(pool.broadcast(&message));
    assert!(poll!(&mut broadcast).is_pending());
    queued(&pool, 1).await;
    session.checkout.give_back();
    let pids = soon(broadcast).await;
    assert_eq!(pids.into_iter().filter_map(|(_, pid)| pid.ok()).count(), 2);
}

#[tokio::test]
async fn a_broken_pool_refuses_checkouts() {
    let script = script::Script::new("1");
    let pool =
        started(Pool::builder(Program::new(script.path())).workers(1).restart_limit(0, HANG_TIMEOUT)).await;
    let session = Session::of(&pool).await;
    let waits = pool.clone();
    let waits = spawn(async move { waits.checkout().await });
    queued(&pool, 1).await;
    script.set("exit 3");
    kill(session.checkout.pid().unwrap());
    let error = soon(waits).await.unwrap().unwrap_err();
    assert_error(&error, ErrorKind::Crashed, &["could not check out a worker", "keep crashing"]);
}

#[tokio::test]
async fn the_calls_of_a_session_pass_the_middleware_of_the_pool() {
    let seen = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&seen);
    let layer = on_request(move |_: &mut Request| {
        counter.fetch_add(1, Ordering::Relaxed);
        Ok(())
    });
    let pool = soon(pool(1).layer(layer).spawn()).await.unwrap();
    let session = soon(pool.checkout()).await.unwrap();
    soon(JobsClient::new(&session).echo(1)).await.unwrap();
    assert_eq!(seen.load(Ordering::Relaxed), 1);
    session.give_back();
}

#[tokio::test]
async fn stats_count_the_workers_that_are_checked_out() {
    let pool = started(pool(2)).await;
    let sessions = [Session::of(&pool).await, Session::of(&pool).await];
    assert_eq!(pool.stats().checked_out(), 2);
    let mut third = Box::pin(pool.checkout());
    assert!(poll!(&mut third).is_pending());
    assert_eq!(pool.stats().queued, 1);
    sessions[0].checkout.give_back();
    assert_eq!((pool.stats().checked_out(), pool.stats().queued), (2, 0));
    soon(third).await.unwrap().give_back();
    assert_eq!((pool.stats().checked_out(), pool.stats().waits.count), (1, 1));
}
