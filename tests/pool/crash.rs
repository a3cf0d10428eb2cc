//! Workers that end unexpectedly.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use isolated_workers::ErrorKind;
use isolated_workers::error::{Executed, ExitReason};
use isolated_workers::host::{OnCrash, OnTimeout, Status};
use isolated_workers::pool::Restart;
use tokio::spawn;
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{self, Layer, SubscriberExt};

use super::jobs::JobsClient;
use super::script::Script;
use super::stage::Stage;
use super::*;

#[tokio::test]
async fn a_crash_fails_only_the_calls_in_its_worker() {
    let (pool, stage) = (started(pool(2)).await, Stage::new());
    let neighbor = spawn(stage.hold(pool.clone(), "neighbor"));
    let held = stage.next().await;
    let client = JobsClient::new(pool.clone());
    let error = soon(client.abort()).await.unwrap_err();
    assert_eq!((error.kind(), error.executed()), (ErrorKind::Crashed, Executed::Maybe));
    // The other worker is busy, so this call waits for the replacement.
    assert_eq!(soon(client.echo(5)).await.unwrap(), 5);
    drop(held);
    soon(neighbor).await.unwrap().unwrap();
    let crashes: Vec<_> =
        pool.stats().workers.iter().map(|worker| (worker.crashes, worker.restarts)).collect();
    assert!(crashes == [(1, 1), (0, 0)] || crashes == [(0, 0), (1, 1)], "{crashes:?}");
}

#[tokio::test]
async fn a_retryable_call_runs_again_in_another_worker() {
    let (pool, stage) = (started(pool(2)).await, Stage::new());
    let call = spawn(stage.hold_again(pool.clone(), "call"));
    let held = stage.next().await;
    let busy = pool.stats().workers.iter().find(|worker| worker.in_flight == 1).unwrap().pid.unwrap();
    kill(busy);
    let again = stage.next().await;
    assert_eq!(again.name, "call");
    drop((held, again));
    assert_ne!(soon(call).await.unwrap().unwrap(), busy);
}

#[tokio::test]
async fn a_poison_call_fails_after_its_attempts_and_is_named_in_the_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("runs").display().to_string();
    for max_in_flight in [1, 8] {
        let _ = std::fs::remove_file(&path);
        let builder = pool(2).max_in_flight(max_in_flight).on_crash(OnCrash::retry(2));
        let pool = started(builder).await;
        let client = JobsClient::new(pool.clone());
        let error = soon(client.poison(path.clone())).await.unwrap_err();
        let crash = error.crash().unwrap();
        assert_eq!((crash.attempt, crash.max_attempts, crash.is_poison()), (3, 3, true));
        assert_eq!(crash.message.as_deref(), Some("poison"));
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 3);
        assert_eq!(soon(client.echo(1)).await.unwrap(), 1);
    }
}

#[tokio::test]
async fn neighbors_of_a_poison_call_succeed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("runs").display().to_string();
    let (pool, stage) = (started(pool(1).max_in_flight(4)).await, Stage::new());
    let neighbors: Vec<_> = ["a", "b", "c"].map(|name| spawn(stage.hold_again(pool.clone(), name))).into();
    let held = [stage.next().await, stage.next().await, stage.next().await];
    let poison = JobsClient::new(pool.clone());
    let poison = spawn(async move { poison.poison(path).await });
    drop(held);
    // Each call that was in flight at a crash runs again, until the poison call has used up its
    // attempts.
    let release = async {
        loop {
            drop(stage.next().await);
        }
    };
    tokio::select! {
        () = release => {}
        neighbors = soon(join_all(neighbors)) => {
            for neighbor in neighbors {
                neighbor.unwrap().unwrap();
            }
        }
    }
    assert!(soon(poison).await.unwrap().unwrap_err().crash().unwrap().is_poison());
}

#[tokio::test]
async fn on_timeout_kill_replaces_the_worker_and_fails_no_other_call() {
    let (pool, stage) = (started(pool(2).on_timeout(OnTimeout::Kill)).await, Stage::new());
    let neighbor = spawn(stage.hold(pool.clone(), "neighbor"));
    let held = stage.next().await;
    let client = JobsClient::new(pool.clone());
    let before = pids(&pool);
    // The other calls wait for the spinning worker, and run in its replacement.
    let (spin, others) =
        soon(async { tokio::join!(client.spin(), join_all((0..20).map(|number| client.echo(number)))) })
            .await;
    assert_eq!(spin.unwrap_err().kind(), ErrorKind::Timeout);
    for (number, other) in (0..).zip(others) {
        assert_eq!(other.unwrap(), number);
    }
    drop(held);
    soon(neighbor).await.unwrap().unwrap();
    let same = pids(&pool).iter().filter(|pid| before.contains(pid)).count();
    assert_eq!(same, 1);
}

#[tokio::test]
async fn calls_fail_while_workers_keep_crashing_until_one_comes_up() {
    let script = Script::new("good");
    let builder = Pool::builder(Program::new(script.path()))
        .workers(2)
        .restart_limit(3, Duration::from_secs(60))
        .on_crash(OnCrash::respawn().backoff(Duration::from_millis(1), Duration::from_millis(20)));
    let pool = started(builder).await;
    let client = JobsClient::new(pool.clone());
    script.set("echo the license has expired >&2; exit 3");
    pids(&pool).into_iter().for_each(kill);
    until(&pool, |stats| stats.is_broken).await;
    let error = soon(client.echo(1)).await.unwrap_err();
    assert_eq!((error.kind(), error.executed()), (ErrorKind::Crashed, Executed::No));
    assert!(error.to_string().contains("keep crashing, more often than `restart_limit` allows"), "{error}");
    assert!(error.to_string().contains("exited with code 3"), "{error}");
    assert!(error.to_string().contains("the license has expired"), "{error}");

    script.set_version("fixed");
    until(&pool, |stats| !stats.is_broken).await;
    assert_eq!(soon(client.version()).await.unwrap(), "fixed");
    until(&pool, |stats| stats.workers.iter().all(|worker| worker.status == Status::Active)).await;
}

#[tokio::test]
async fn spawn_fails_if_the_program_does_not_come_up() {
    let script = Script::new("good");
    script.set("echo no luck today >&2; exit 3");
    let error = soon(Pool::builder(Program::new(script.path())).workers(3).spawn()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Startup);
    assert_eq!(last_line(&error), "no luck today");
}

#[tokio::test]
async fn the_restart_policy_decides_which_workers_are_replaced() {
    for (restart, is_after_exit, is_after_crash) in [
        (Restart::Permanent, true, true),
        (Restart::Transient, false, true),
        (Restart::Temporary, false, false),
    ] {
        for (exits, is_again) in [(true, is_after_exit), (false, is_after_crash)] {
            let pool = started(pool(1).restart(restart)).await;
            let client = JobsClient::new(pool.clone());
            let ended = if exits { soon(client.exit()).await } else { soon(client.abort()).await };
            let reason = ended.unwrap_err().crash().unwrap().reason;
            assert_eq!(reason == ExitReason::Exited(0), exits);
            let answer = soon(client.echo(1)).await;
            assert_eq!(answer.is_ok(), is_again, "{restart:?} {reason}: {answer:?}");
            if let Err(error) = answer {
                assert_eq!((error.kind(), error.executed()), (ErrorKind::Closed, Executed::No));
                assert!(error.to_string().contains("starts no others"), "{error}");
            }
        }
    }
}

#[tokio::test]
async fn all_attempts_share_the_timeout_of_a_call() {
    let (pool, folder) = (started(pool(1)).await, tempfile::tempdir().unwrap());
    let path = folder.path().join("remaining").display().to_string();
    soon(JobsClient::new(pool.clone()).remaining(path.clone(), 300)).await.unwrap();
    let journal = std::fs::read_to_string(path).unwrap();
    let remaining: Vec<u64> = journal.lines().map(|line| line.parse().unwrap()).collect();
    let [first, second] = remaining[..] else { panic!("{remaining:?}") };
    assert!(second + 300 <= first, "{remaining:?}");
}

#[tokio::test]
async fn suspects_that_wait_for_each_other_delay_no_new_call() {
    let settings = pool(1).max_in_flight(4).on_crash(OnCrash::respawn());
    let (pool, stage) = (started(settings).await, Stage::new());
    let suspects: Vec<_> =
        (0..4).map(|number| spawn(stage.hold_again(pool.clone(), &format!("{number}")))).collect();
    let mut held = Vec::new();
    for _ in 0..4 {
        held.push(stage.next().await);
    }
    kill(pids(&pool)[0]);
    held.clear();
    // One suspect runs. The others wait and hold no permit.
    held.push(stage.next().await);
    for number in 0..10 {
        assert_eq!(soon(JobsClient::new(pool.clone()).echo(number)).await.unwrap(), number);
    }
    drop(held);
    for _ in 0..3 {
        let _released = stage.next().await;
    }
    for suspect in suspects {
        soon(suspect).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_subscriber_of_tracing_may_ask_the_pool_for_its_statistics() {
    struct AsksPool(Pool, Arc<AtomicUsize>);

    impl<S: Subscriber> Layer<S> for AsksPool {
        fn on_event(&self, _: &Event<'_>, _: layer::Context<'_, S>) {
            self.1.fetch_add(self.0.stats().workers.len(), Ordering::SeqCst);
        }
    }

    let settings = pool(1).restart_limit(1_000, Duration::from_secs(1));
    let (pool, events) = (started(settings).await, Arc::default());
    let subscriber = tracing_subscriber::registry().with(AsksPool(pool.clone(), Arc::clone(&events)));
    let _guard = tracing::subscriber::set_default(subscriber);
    let client = JobsClient::new(pool.clone());
    // Another test may be the first to reach the event, and `tracing` then caches that nobody wants
    // it.
    while events.load(Ordering::SeqCst) == 0 {
        tracing::callsite::rebuild_interest_cache();
        assert_eq!(soon(client.abort()).await.unwrap_err().kind(), ErrorKind::Crashed);
        assert_eq!(soon(client.echo(1)).await.unwrap(), 1);
    }
}
