//! Workers that call their hosts: what a callback inherits, and what ends it.

mod forwarded;
mod leaked;
mod load;
mod refused;
mod services;

use std::sync::Arc;

use isolated_workers::codec::Json;
use isolated_workers::driver::Thread;
use isolated_workers::host::OnCrash;
use isolated_workers::layer::SetMetadata;
use isolated_workers::prelude::*;
use isolated_workers::service::{BoxService, Local};
use isolated_workers::{ErrorKind, Pool, serve};
use isolated_workers_test_support::{assert_error, runtime, soon};
use services::{Apprentice, Host, Painter, PainterClient, Refused, Studio, painter, studio};

/// Starts a worker whose host serves `host`, and sets it as the painter of the host.
async fn started(host: &Host) -> PainterClient<BoxService> {
    let worker = Worker::builder(painter()).serve(host.clone().into_service());
    let worker = soon(worker.spawn()).await.unwrap();
    let client = PainterClient::new(BoxService::new(worker));
    let _ = host.painter.set(client.clone());
    client
}

fn refused<T: std::fmt::Debug>(result: Result<T, CallError<Refused>>) -> Refused {
    match result {
        Err(CallError::Service(refused)) => refused,
        other => panic!("expected the error of a callback, got {other:?}"),
    }
}

#[tokio::test]
async fn a_callback_inherits_parent_deadline_and_trace() {
    let painter = started(&Host::new().0).await;
    assert!(soon(painter.parent()).await.unwrap().is_some());
    let remaining = soon(painter.remaining()).await.unwrap().unwrap();
    assert!((1..=20_000).contains(&remaining), "{remaining} ms");

    let traced = painter.service().clone().wrapped_by(SetMetadata::new([("traceparent", "00-1-2-01")]));
    let metadata = soon(PainterClient::new(traced).metadata()).await.unwrap();
    assert!(metadata.contains(&("traceparent".into(), "00-1-2-01".into())), "{metadata:?}");
    // Nothing else of the call is passed on.
    assert!(metadata.iter().all(|(key, _)| key == "traceparent" || key == "iw-parent"), "{metadata:?}");
}

#[tokio::test]
async fn a_blocking_method_can_call_its_host() {
    let painter = started(&Host::new().0).await;
    assert_eq!(soon(painter.add(2, 3)).await.unwrap(), 5);
}

#[tokio::test]
async fn a_callback_in_a_task_is_cancelled_with_its_call() {
    let (host, mut waits) = Host::new();
    let painter = started(&host).await;
    let call = tokio::spawn({
        let painter = painter.clone();
        async move { painter.wait_elsewhere().await }
    });
    assert_eq!(soon(waits.recv()).await, Some(true));
    call.abort();
    assert_eq!(soon(waits.recv()).await, Some(false));
}

#[tokio::test]
async fn a_panic_of_the_hosts_handler_fails_only_its_callback() {
    let painter = started(&Host::new().0).await;
    let error = refused(soon(painter.panic()).await);
    assert_eq!(error.code, "IW_PANICKED");
    assert!(error.text.contains("out of paint"), "{}", error.text);
    assert_eq!(soon(painter.add(2, 3)).await.unwrap(), 5);
}

#[tokio::test]
async fn calls_that_call_each_other_back_have_a_maximum_depth() {
    let host = Host::new().0;
    let painter = started(&host).await;
    assert_eq!(soon(painter.descend(8)).await.unwrap(), 9);
    let error = refused(soon(painter.descend(9)).await);
    assert_eq!(error.code, "IW_WOULD_DEADLOCK");
    assert!(error.text.contains("8 callbacks wait for each other"), "{}", error.text);
    assert_eq!(soon(painter.descend(1)).await.unwrap(), 2);
}

#[tokio::test]
async fn a_nested_call_that_would_wait_for_its_own_permit_is_an_error() {
    for (workers, max_in_flight) in [(1, 1), (2, 1), (1, 2)] {
        let host = Host::new().0;
        let pool = Pool::builder(painter()).workers(workers).max_in_flight(max_in_flight);
        let pool = soon(pool.serve(host.clone().into_service()).spawn()).await.unwrap();
        let painter = PainterClient::new(BoxService::new(pool));
        let _ = host.painter.set(painter.clone());
        let permits = u32::try_from(workers).unwrap() * max_in_flight;
        // As many calls as there are permits, each within the one before.
        assert_eq!(soon(painter.descend(permits - 1)).await.unwrap(), permits);
        let error = refused(soon(painter.descend(permits)).await);
        assert_eq!(error.code, "IW_WOULD_DEADLOCK");
        assert!(
            error.text.contains("has no free worker, and the call that this one belongs to"),
            "{}",
            error.text
        );
        // A call from outside waits for its turn.
        let calls = (0..20).map(|_| painter.descend(0));
        for call in futures_util::future::join_all(calls).await {
            assert_eq!(call.unwrap(), 1);
        }
    }
}

#[tokio::test]
async fn a_blocking_handler_of_the_host_belongs_to_its_chain() {
    let host = Host::new().0;
    let pool = Pool::builder(painter()).workers(1).max_in_flight(1).serve(host.clone().into_service());
    let painter = PainterClient::new(BoxService::new(soon(pool.spawn()).await.unwrap()));
    let _ = host.painter.set(painter.clone());
    let error = refused(soon(painter.descend_blocking(1)).await);
    assert_eq!(error.code, "IW_WOULD_DEADLOCK");
}

#[tokio::test]
async fn callbacks_that_wait_for_nested_callbacks_do_not_wait_forever() {
    // More than a host takes at once.
    const CALLS: u32 = 200;
    let host = Host::new().0;
    let painter = started(&host).await;
    let calls = futures_util::future::join_all((0..CALLS).map(|_| painter.descend(3)));
    for result in soon(calls).await {
        if !matches!(result, Ok(4)) {
            let error = refused(result);
            assert_eq!(error.code, "IW_WOULD_DEADLOCK");
            assert!(error.text.contains("takes no further call until one has ended"), "{}", error.text);
        }
    }
    assert_eq!(soon(painter.descend(3)).await.unwrap(), 4);
}

#[tokio::test]
async fn a_callback_in_a_task_ends_with_the_answer_of_its_call() {
    let (host, mut waits) = Host::new();
    let painter = started(&host).await;
    soon(painter.leave_waiting()).await.unwrap();
    let error = soon(painter.left()).await.unwrap();
    assert_eq!(error.code, "IW_CANCELLED");
    assert!(error.text.contains("its call `leave_waiting` has ended"), "{}", error.text);
    assert_eq!(soon(waits.recv()).await, Some(true));
    assert_eq!(soon(waits.recv()).await, Some(false));
}

#[tokio::test]
async fn a_worker_can_require_the_service_of_its_host() {
    let driver = || {
        Thread::new(|| async {
            serve(Apprentice::default().into_service()).host_service(studio::SCHEMA).await
        })
    };
    let host = Host::new().0;
    let worker = Worker::builder(driver()).serve(host.clone().into_service()).spawn();
    assert_eq!(soon(PainterClient::new(soon(worker).await.unwrap()).add(2, 3)).await.unwrap(), 5);

    let error = soon(Worker::builder(driver()).spawn()).await.unwrap_err();
    assert_error(&error, ErrorKind::Handshake, &["of its host, and the host serves none; pass it to"]);
    let error = soon(Worker::builder(driver()).serve(Apprentice::default().into_service()).spawn())
        .await
        .unwrap_err();
    assert_error(&error, ErrorKind::Handshake, &["of its host, and the host serves Painter"]);
}

#[tokio::test]
async fn mistakes_of_a_callback_are_named() {
    let painter = started(&Host::new().0).await;
    let error = refused(soon(painter.wrong_codec()).await);
    assert_eq!(error.code, "IW_CONFIG");
    assert!(
        error.text.contains("the codec of the connection is not Postcard; name the codec"),
        "{}",
        error.text
    );

    let builder = Worker::builder(services::painter()).serve(Host::new().0.into_service());
    let error = soon(builder.without_handshake().spawn()).await.unwrap_err();
    assert_error(
        &error,
        ErrorKind::Config,
        &["could not serve the calls of the worker: the handshake offers them"],
    );
}

#[tokio::test]
async fn a_handler_in_this_process_can_have_a_host() {
    let host = Arc::new(Local::new(Host::new().0.into_service(), Json));
    let painter = PainterClient::new(Local::new(Apprentice::default().into_service(), Json).with_host(host));
    assert_eq!(painter.add(2, 3).await.unwrap(), 5);
    let alone = PainterClient::new(Local::new(Apprentice::default().into_service(), Json));
    let error = refused(alone.add(2, 3).await);
    assert!(error.text.contains("the host serves nothing"), "{}", error.text);
}

#[tokio::test]
async fn a_worker_that_leaves_finishes_its_callbacks_beside_its_successor() {
    let (host, mut waits) = Host::new();
    let worker = Worker::builder(painter()).serve(host.into_service()).on_crash(OnCrash::respawn());
    let painter = PainterClient::new(soon(worker.spawn()).await.unwrap());
    let call = tokio::spawn({
        let painter = painter.clone();
        async move { painter.gate().await }
    });
    assert_eq!(soon(waits.recv()).await, Some(true));
    soon(painter.stop()).await.unwrap();
    // The successor opens the gate at which the callback of the worker waits.
    soon(async {
        while painter.open_gate().await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    soon(call).await.unwrap().unwrap();
    soon(painter.service().close()).await.unwrap();
}

#[test]
fn callbacks_end_with_the_runtime_of_their_host() {
    let (host, mut waits) = Host::new();
    let of_worker = runtime();
    let worker = Worker::builder(painter()).serve(host.into_service());
    let painter = PainterClient::new(of_worker.block_on(soon(worker.spawn())).unwrap());
    runtime().block_on(async {
        // Drives the runtime of the worker until it is dropped.
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let driver = std::thread::spawn(move || {
            let _ = of_worker.block_on(stopped);
        });
        let call = tokio::spawn(async move { painter.wait_elsewhere().await });
        assert_eq!(soon(waits.recv()).await, Some(true));
        drop(stop);
        driver.join().unwrap();
        assert_eq!(soon(waits.recv()).await, Some(false));
        let Err(CallError::Call(error)) = soon(call).await.unwrap() else { panic!("the call was answered") };
        assert_eq!(error.kind(), ErrorKind::Closed, "{error}");
    });
}
