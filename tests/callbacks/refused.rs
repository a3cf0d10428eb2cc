//! Calls that are refused because an earlier call of their chain waits for them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use futures_util::poll;
use isolated_workers::codec::Json;
use isolated_workers::host::Timeouts;
use isolated_workers::pool::WhenFull;
use isolated_workers::service::{Context, HostService};
use tokio::sync::OnceCell;

use super::services::WaitForCalls;
use super::*;

#[tokio::test]
async fn a_refused_nested_call_takes_no_place_in_a_queue() {
    for when_full in [WhenFull::DropOldest, WhenFull::Reject, WhenFull::Wait] {
        let (host, mut waits) = Host::new();
        let pool = Pool::builder(painter()).workers(1).max_in_flight(1).queue(1, when_full);
        let pool = soon(pool.serve(host.clone().into_service()).spawn()).await.unwrap();
        let painter = PainterClient::new(BoxService::new(pool.clone()));
        let _ = host.painter.set(painter.clone());
        let mut outer = Box::pin(painter.descend_after_gate(0));
        assert!(poll!(&mut outer).is_pending());
        assert_eq!(soon(waits.recv()).await, Some(true));
        let mut queued = Box::pin(painter.descend(0));
        assert!(poll!(&mut queued).is_pending());
        assert_eq!(pool.stats().queued, 1);

        host.gate.notify_one();
        let error = refused(soon(outer).await);
        assert_eq!(error.code, "IW_WOULD_DEADLOCK", "{when_full:?}: {}", error.text);
        assert_eq!(soon(queued).await.unwrap(), 1, "{when_full:?}");
    }
}

#[tokio::test]
async fn a_nested_call_keeps_the_shorter_default_timeout_of_its_worker() {
    let limit = Duration::from_millis(50);
    let inner = Worker::builder(painter()).serve(Host::new().0.into_service());
    let inner = soon(inner.timeouts(Timeouts::default().message(limit)).spawn()).await.unwrap();
    let inner = PainterClient::new(BoxService::new(inner));
    let host = Host::new().0;
    let _ = host.painter.set(inner);
    let outer = soon(Worker::builder(painter()).serve(host.into_service()).spawn()).await.unwrap();
    // Its own timeout is 20 s.
    let error = refused(soon(PainterClient::new(outer).wait_nested()).await);
    assert_eq!(error.code, "IW_TIMEOUT");
    assert!(error.text.contains("`wait_elsewhere`") && error.text.contains("50ms"), "{}", error.text);
}

/// Function that calls this method of a clone.
macro_rules! waiting {
    ($of:ident.$method:ident) => {{
        let of = $of.clone();
        let wait: WaitForCalls = Box::new(move || {
            let of = of.clone();
            Box::pin(async move { of.$method().await })
        });
        wait
    }};
}

#[tokio::test]
async fn a_callback_that_would_wait_for_its_own_call_is_an_error() {
    let (of_worker, of_pool) = (Host::new().0, Host::new().0);
    let worker =
        soon(Worker::builder(painter()).serve(of_worker.clone().into_service()).spawn()).await.unwrap();
    let pool = Pool::builder(painter()).workers(2).serve(of_pool.clone().into_service());
    let pool = soon(pool.spawn()).await.unwrap();
    let _ = of_worker.waits_for_calls.set(vec![waiting!(worker.drain)]);
    let drain = waiting!(pool.drain);
    let reload = waiting!(pool.reload);
    let _ = of_pool.waits_for_calls.set(vec![drain, reload]);
    for (painter, expected) in [
        (PainterClient::new(BoxService::new(worker.clone())), ["drain the worker"].as_slice()),
        (PainterClient::new(BoxService::new(pool.clone())), &["drain the pool", "reload the pool"]),
    ] {
        let errors = soon(painter.wait_for_calls()).await.unwrap();
        assert_eq!(errors.len(), expected.len(), "{errors:?}");
        for (error, text) in errors.iter().zip(expected) {
            assert!(error.code == "IW_WOULD_DEADLOCK" && error.text.contains(text), "{error:?}");
        }
        assert_eq!(soon(painter.add(2, 3)).await.unwrap(), 5, "nothing has begun");
    }
    soon(pool.reload()).await.unwrap();
    soon(pool.drain()).await.unwrap();
    soon(worker.drain()).await.unwrap();
}

/// Service of a worker that counts its calls.
#[service]
trait Counter {
    /// Calls `count` of the pool `rounds` times through the host.
    async fn nest(&self, context: Context, rounds: u32) -> u32;
    async fn count(&self, ran: u32) -> u32;
}

/// Service of the host of `Counter`.
#[service]
trait Nester {
    /// Returns the number of calls that ran although their error says that they did not.
    async fn nest(&self, rounds: u32) -> u32;
}

static RAN: AtomicU32 = AtomicU32::new(0);

struct MyCounter;

impl Counter for MyCounter {
    async fn nest(&self, context: Context, rounds: u32) -> u32 {
        let nester: NesterClient<HostService> = NesterClient::new(context.host::<Json>().unwrap());
        nester.nest(rounds).await.unwrap()
    }

    async fn count(&self, ran: u32) -> u32 {
        RAN.fetch_add(ran, Ordering::SeqCst)
    }
}

struct MyNester(Arc<OnceCell<CounterClient<BoxService>>>);

impl Nester for MyNester {
    async fn nest(&self, rounds: u32) -> u32 {
        let counter = self.0.get().unwrap();
        let before = RAN.load(Ordering::SeqCst);
        let mut answered = 0;
        for _ in 0..rounds {
            match counter.count(1).await {
                Ok(_) => answered += 1,
                Err(error) => assert_error(&error, ErrorKind::WouldDeadlock, &["no free worker"]),
            }
        }
        RAN.load(Ordering::SeqCst) - before - answered
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_refused_nested_call_never_runs() {
    let cell = Arc::new(OnceCell::new());
    let counter = Thread::new(|| async { serve(MyCounter.into_service()).await });
    let pool = Pool::builder(counter).workers(3).max_in_flight(1);
    let pool = soon(pool.serve(MyNester(Arc::clone(&cell)).into_service()).spawn()).await.unwrap();
    let counter = CounterClient::new(BoxService::new(pool));
    cell.set(counter.clone()).ok().unwrap();
    // Calls that do not nest release permits all the time.
    let is_over = Arc::new(AtomicBool::new(false));
    let others: Vec<_> = (0..4)
        .map(|_| {
            let (counter, is_over) = (counter.clone(), Arc::clone(&is_over));
            tokio::spawn(async move {
                while !is_over.load(Ordering::Relaxed) {
                    counter.count(0).await.unwrap();
                }
            })
        })
        .collect();
    for _ in 0..20 {
        assert_eq!(soon(counter.nest(1000)).await.unwrap(), 0, "calls ran although they were refused");
    }
    is_over.store(true, Ordering::Relaxed);
    for other in others {
        soon(other).await.unwrap();
    }
}

#[tokio::test]
async fn a_checkout_that_would_wait_for_its_own_call_is_refused() {
    let host = Host::new().0;
    let pool = Pool::builder(painter()).workers(1).serve(host.clone().into_service());
    let pool = soon(pool.spawn()).await.unwrap();
    let checkouts = pool.clone();
    let check_out: WaitForCalls = Box::new(move || {
        let pool = checkouts.clone();
        Box::pin(async move { pool.checkout().await.map(|session| session.give_back()) })
    });
    assert!(host.waits_for_calls.set(vec![check_out]).is_ok());
    let assert_refused = |refused: Vec<Refused>| {
        assert_eq!(refused[0].code, "IW_WOULD_DEADLOCK", "{refused:?}");
        assert!(refused[0].text.contains("could not check out a worker"), "{refused:?}");
    };
    assert_refused(soon(PainterClient::new(pool.clone()).wait_for_calls()).await.unwrap());
    assert_eq!(pool.stats().queued, 0);

    // In a session, too. Its own worker it may call.
    let session = soon(pool.checkout()).await.unwrap();
    let painter = PainterClient::new(session.clone());
    let _ = host.painter.set(PainterClient::new(BoxService::new(session.clone())));
    assert_refused(soon(painter.wait_for_calls()).await.unwrap());
    assert_eq!(soon(painter.descend(3)).await.unwrap(), 4);
    session.give_back();
}
