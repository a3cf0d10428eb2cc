//! Workers with handlers that never end. Each costs its own calls and is replaced, nothing else.

use std::time::Duration;

use isolated_workers::error::ExitReason;
use isolated_workers::host::{OnTimeout, Timeouts};
use isolated_workers::layer::Timeout;
use isolated_workers::pool::WorkerId;
use isolated_workers::{ErrorKind, ServiceExt};
use isolated_workers_test_support::process::PidFd;
use tokio::spawn;
use tokio::time::sleep;

use super::given_up::{given_up, until_given_up};
use super::jobs::JobsClient;
use super::stage::{HeldCall, Stage};
use super::*;

/// Handler that never ends.
#[derive(Clone, Copy, Debug)]
enum Endless {
    /// Blocks a thread of its own.
    Blocking,
    /// Never awaits, and so blocks the runtime of its worker.
    NonAwaiting,
}

impl Endless {
    const ALL: [Self; 2] = [Self::Blocking, Self::NonAwaiting];

    /// Makes a call of the handler on a worker and gives it up. The handler runs until the held
    /// call is dropped, or for ever.
    async fn give_up(self, pool: &Pool, worker: WorkerId, stage: &Stage) -> HeldCall {
        let held = match self {
            Self::NonAwaiting => stage.hang(pool.on(worker)).await,
            Self::Blocking => {
                let call = spawn(stage.block(pool.on(worker), "blocks"));
                let held = stage.next().await;
                call.abort();
                held
            }
        };
        until_given_up(pool, 1).await;
        held
    }
}

fn impatient() -> Timeouts {
    Timeouts::default().cancel(Duration::from_millis(500))
}

/// Waits until the process has ended.
async fn ended(process: &PidFd) {
    soon(async {
        while !process.has_ended() {
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn an_endless_handler_costs_a_default_pool_only_its_call() {
    for endless in Endless::ALL {
        let pool = started(Pool::builder(Program::new(WORKER)).timeouts(impatient())).await;
        let (client, stage) = (JobsClient::new(pool.clone()), Stage::new());
        let workers = pool.stats().workers;
        // Every worker hangs, one after the other.
        for worker in workers {
            let process = PidFd::open(worker.pid.unwrap());
            let _held = endless.give_up(&pool, worker.id, &stage).await;
            for number in 0..20 {
                assert_eq!(soon(client.echo(number)).await.unwrap(), number, "{endless:?}");
            }
            ended(&process).await;
            until(&pool, |stats| stats.workers[worker.id.0].restarts == 1).await;
            assert_eq!(given_up(&pool.stats()), 0);
        }
        let stats = pool.stats();
        assert!(stats.workers.iter().all(|worker| worker.crashes == 0), "{stats:?}");
    }
}

#[tokio::test]
async fn a_pool_drains_although_a_handler_never_ends() {
    for endless in Endless::ALL {
        let pool = started(pool(1).timeouts(impatient())).await;
        let stage = Stage::new();
        let _held = endless.give_up(&pool, WorkerId(0), &stage).await;
        soon(pool.drain()).await.unwrap();
    }
}

#[tokio::test]
async fn a_pool_closes_although_a_handler_never_ends() {
    for endless in Endless::ALL {
        let timeouts = Timeouts::default().close(Duration::from_millis(500));
        let pool = started(pool(1).timeouts(timeouts)).await;
        let (process, stage) = (PidFd::open(pids(&pool)[0]), Stage::new());
        let _held = endless.give_up(&pool, WorkerId(0), &stage).await;
        // The process may end on a SIGTERM, or is killed.
        let _ = soon(pool.close()).await;
        assert!(process.has_ended(), "{endless:?}");
    }
}

#[tokio::test]
async fn other_calls_of_a_hung_worker_end_as_usual() {
    let pool = started(pool(1).max_in_flight(3).timeouts(impatient())).await;
    let (client, stage) = (JobsClient::new(pool.clone()), Stage::new());
    let pid = pids(&pool)[0];
    let other = spawn(stage.hold(pool.clone(), "other"));
    let other_held = stage.next().await;
    let _held = Endless::Blocking.give_up(&pool, WorkerId(0), &stage).await;
    until(&pool, |stats| stats.restarts() == 1).await;
    assert_ne!(soon(client.pid()).await.unwrap(), pid, "the hung worker takes no more calls");
    let process = PidFd::open(pid);
    assert!(!process.has_ended());
    drop(other_held);
    assert_eq!(soon(other).await.unwrap().unwrap(), pid);
    ended(&process).await;
}

#[tokio::test]
async fn a_hung_worker_is_killed_if_its_other_calls_take_too_long() {
    let timeouts = impatient().drain(Duration::from_millis(100));
    let pool = started(pool(1).max_in_flight(3).timeouts(timeouts)).await;
    let stage = Stage::new();
    let other = spawn(stage.hold(pool.clone(), "other"));
    let _other_held = stage.next().await;
    let _held = Endless::NonAwaiting.give_up(&pool, WorkerId(0), &stage).await;
    let error = soon(other).await.unwrap().unwrap_err();
    assert_eq!(error.crash().unwrap().reason, ExitReason::Hung);
    assert!(error.to_string().contains("did not end a cancelled call in time and was killed"), "{error}");
    assert!(error.to_string().contains("raise `Timeouts::cancel`"), "{error}");
    assert_eq!(soon(JobsClient::new(pool.clone()).echo(1)).await.unwrap(), 1);
}

/// One worker runs a call that timed out and that it may finish, the other a call that was dropped.
#[tokio::test]
async fn an_abandoned_handler_may_take_as_long_as_it_likes() {
    let pool = started(pool(2).timeouts(impatient()).on_timeout(OnTimeout::Abandon)).await;
    let (stage, pid) = (Stage::new(), pids(&pool)[0]);
    let limited = pool.on(WorkerId(0)).wrapped_by(Timeout::new(Duration::from_millis(50)));
    let abandoned = spawn(stage.block(limited, "abandoned"));
    let held = stage.next().await;
    assert_eq!(soon(abandoned).await.unwrap().unwrap_err().kind(), ErrorKind::Timeout);
    let dropped = spawn(stage.block(pool.on(WorkerId(1)), "dropped"));
    let _held_too = stage.next().await;
    dropped.abort();
    until(&pool, |stats| stats.workers[1].restarts == 1).await;
    let worker = &pool.stats().workers[0];
    assert_eq!((worker.pid, worker.given_up), (Some(pid), 1));
    drop(held);
    until_given_up(&pool, 0).await;
}
