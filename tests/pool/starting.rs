//! Queued calls while the pool starts them, which takes long here.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use isolated_workers::protocol::{SequentialIds, TxIdGenerator};
use isolated_workers::{ErrorKind, Service};
use isolated_workers_test_support::Fifo;
use tokio::spawn;
use tokio::sync::Notify;
use tokio::time::timeout;

use super::jobs::JobsClient;
use super::stage::Stage;
use super::*;

/// Controls an id generator that stalls once.
#[derive(Clone)]
struct Stall(Arc<StallState>);

struct StallState {
    is_armed: AtomicBool,
    stalled: Notify,
    resume: Mutex<mpsc::Receiver<()>>,
}

/// Returns the control of a generator, the generator, and a sender that ends its stall.
fn stalling() -> (Stall, impl TxIdGenerator, mpsc::Sender<()>) {
    let (resume, resumed) = mpsc::channel();
    let (is_armed, resumed) = (AtomicBool::new(false), Mutex::new(resumed));
    let stall = Stall(Arc::new(StallState { is_armed, stalled: Notify::new(), resume: resumed }));
    let (state, ids) = (Arc::clone(&stall.0), SequentialIds::default());
    let generator = move || {
        if state.is_armed.swap(false, Ordering::SeqCst) {
            state.stalled.notify_one();
            state.resume.lock().unwrap().recv_timeout(HANG_TIMEOUT).unwrap();
        }
        ids.next_id()
    };
    (stall, generator, resume)
}

impl Stall {
    /// Makes the next id stall.
    fn arm(&self) {
        self.0.is_armed.store(true, Ordering::SeqCst);
    }

    async fn stalled(&self) {
        soon(self.0.stalled.notified()).await;
    }
}

fn runs(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

async fn until_idle(pool: &Pool) {
    soon(async {
        while pool.stats().workers.iter().any(|worker| worker.in_flight > 0) {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_call_that_starts_at_its_queue_timeout_has_the_outcome_of_its_start() {
    let limit = Duration::from_secs(1);
    let (stall, ids, resume) = stalling();
    let (pool, stage) = (started(pool(1).queue_timeout(limit).ids(ids)).await, Stage::new());
    let (client, files) = (JobsClient::new(pool.clone()), Fifo::new());
    let first = spawn(stage.hold(pool.clone(), "first"));
    let held = stage.next().await;
    let path = files.sibling("notes");
    let mut note = spawn({
        let (client, path) = (client.clone(), path.clone());
        async move { client.note(path, 1).await }
    });
    queued(&pool, 1).await;
    stall.arm();
    drop(held);
    stall.stalled().await;
    assert!(timeout(2 * limit, &mut note).await.is_err(), "the message is being sent");
    resume.send(()).unwrap();
    soon(note).await.unwrap().unwrap();
    soon(first).await.unwrap().unwrap();
    // The worker runs its messages in order.
    soon(client.echo(1)).await.unwrap();
    assert_eq!(runs(&path).lines().count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_call_whose_caller_is_gone_before_it_starts_gives_its_permit_back() {
    let (stall, ids, resume) = stalling();
    let (pool, stage) = (started(pool(1).max_in_flight(2).ids(ids)).await, Stage::new());
    let (client, files) = (JobsClient::new(pool.clone()), Fifo::new());
    let first = [spawn(stage.hold(pool.clone(), "a")), spawn(stage.hold(pool.clone(), "b"))];
    let _held = [stage.next().await, stage.next().await];
    let path = files.sibling("notes");
    let note = |number| {
        let (client, path) = (client.clone(), path.clone());
        spawn(async move { client.note(path, number).await })
    };
    let sent = note(1);
    queued(&pool, 1).await;
    let dropped = note(2);
    queued(&pool, 2).await;
    stall.arm();
    // The next worker gives both a permit, and the second waits for the start of the first.
    kill(pids(&pool)[0]);
    stall.stalled().await;
    assert_eq!(pool.stats().queued, 0);
    dropped.abort();
    assert!(soon(dropped).await.unwrap_err().is_cancelled());
    resume.send(()).unwrap();
    soon(sent).await.unwrap().unwrap();
    for call in first {
        assert_eq!(soon(call).await.unwrap().unwrap_err().kind(), ErrorKind::Crashed);
    }
    until_idle(&pool).await;
    assert_eq!(pool.stats().workers.iter().map(|worker| worker.done).sum::<u64>(), 3);
    soon(pool.drain()).await.unwrap();
    assert_eq!(runs(&path), "1\n");
}

/// Caller with a waker whose clone panics.
fn poll_with_bad_waker<S: Service>(client: &JobsClient<S>) -> bool {
    let mut call = Box::pin(client.echo(7));
    let polled = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        call.as_mut().poll(&mut std::task::Context::from_waker(&bad_waker())).is_pending()
    }));
    polled.is_err()
}

#[tokio::test]
async fn a_waker_that_cannot_be_cloned_concerns_no_other_call() {
    let pool = started(pool(1)).await;
    let client = JobsClient::new(pool.clone());
    // On the fast path.
    assert!(poll_with_bad_waker(&client));
    assert_eq!(soon(client.echo(1)).await.unwrap(), 1);
    // In the queue.
    let stage = Stage::new();
    let first = spawn(stage.hold(pool.clone(), "first"));
    let held = stage.next().await;
    assert!(poll_with_bad_waker(&client));
    assert_eq!(pool.stats().queued, 0);
    drop(held);
    soon(first).await.unwrap().unwrap();
    assert_eq!(soon(client.echo(2)).await.unwrap(), 2);
    until_idle(&pool).await;
    soon(pool.drain()).await.unwrap();
}

fn bad_waker() -> std::task::Waker {
    use std::ptr::null;
    use std::task::{RawWaker, RawWakerVTable, Waker};

    const VTABLE: RawWakerVTable =
        RawWakerVTable::new(|_| panic!("a waker that cannot be cloned"), |_| {}, |_| {}, |_| {});
    // SAFETY: the functions do not use the pointer.
    #[expect(unsafe_code, reason = "the clone of a waker made of `Wake` cannot panic")]
    unsafe {
        Waker::from_raw(RawWaker::new(null(), &VTABLE))
    }
}
