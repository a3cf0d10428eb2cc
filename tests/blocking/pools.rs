use std::collections::BTreeSet;

use isolated_workers::pool::{PoolBuilder, WorkerId};
use isolated_workers::prelude::*;
use isolated_workers::{ErrorKind, blocking};

use crate::PROGRAM;
use crate::service::{NumbersBlockingClient, NumbersClient, numbers};

fn builder() -> PoolBuilder {
    Pool::builder(Program::new(PROGRAM)).workers(2)
}

#[test]
fn threads_share_a_pool() {
    let pool = blocking::Pool::spawn(builder()).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let numbers = NumbersBlockingClient::new(pool.clone());
            scope.spawn(move || {
                for n in 0..100 {
                    assert_eq!(numbers.add(thread, n).unwrap(), thread + n);
                }
            });
        }
    });
    assert_eq!(pool.stats().workers.len(), 2);
    pool.drain().unwrap();
    let error = NumbersBlockingClient::new(&pool).add(1, 2).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed, "{error}");
    pool.closed().unwrap();
}

#[test]
fn one_thread_makes_many_calls_with_map() {
    let pool = blocking::Pool::spawn(builder()).unwrap();
    let add = |pool, n| async move { NumbersClient::new(pool).add(n, 1).await };
    let sums: Result<Vec<u64>, Error> = pool.map(0..1000, add).collect();
    assert_eq!(sums.unwrap(), (1..=1000).collect::<Vec<_>>());
    let mut map = pool.map(0..100, add).unordered().at_once(10);
    let sums: BTreeSet<u64> = map.by_ref().map(Result::unwrap).collect();
    assert_eq!((sums.len(), map.progress().returned), (100, 100));
}

#[test]
fn calls_are_for_a_key_a_worker_or_all_workers() {
    let pool = blocking::Pool::spawn(builder()).unwrap();
    for service in [pool.with_key("user").with_priority(1), pool.on(WorkerId(1)), pool.with_priority(-1)] {
        assert_eq!(NumbersBlockingClient::new(service).add(2, 3).unwrap(), 5);
    }
    let error = NumbersBlockingClient::new(pool.on(WorkerId(7))).add(2, 3).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed, "{error}");
    let replies = pool.broadcast(&numbers::Add { a: 2, b: 3 }).unwrap();
    assert_eq!(replies.len(), 2);
    assert!(replies.iter().all(|(_, reply)| matches!(reply, Ok(5))), "{replies:?}");
}

#[test]
fn a_session_has_its_worker() {
    let pool = blocking::Pool::spawn(builder()).unwrap();
    let sessions = [pool.checkout().unwrap(), pool.with_priority(1).checkout().unwrap()];
    let pids = sessions.clone().map(|session| session.pid().unwrap());
    assert_ne!(pids[0], pids[1]);
    for session in &sessions {
        assert_eq!(NumbersBlockingClient::new(session).add(2, 3).unwrap(), 5);
    }
    sessions[0].give_back();
    // It runs in the only worker that is in no session.
    assert_eq!(NumbersBlockingClient::new(&pool).add(2, 3).unwrap(), 5);
    drop(sessions);
    pool.drain().unwrap();
}

#[test]
fn a_pool_is_reloaded_and_closed() {
    let pool = blocking::Pool::spawn(builder()).unwrap();
    let pids =
        |pool: &blocking::Pool| pool.stats().workers.iter().map(|worker| worker.pid).collect::<Vec<_>>();
    let before = pids(&pool);
    pool.reload().unwrap();
    assert!(pids(&pool).iter().all(|pid| !before.contains(pid)));
    let boxed = pool.boxed();
    assert_eq!(NumbersBlockingClient::new(&boxed).add(2, 3).unwrap(), 5);
    boxed.close().unwrap();
}
