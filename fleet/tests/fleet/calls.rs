use std::time::Duration;

use futures_util::StreamExt;
use isolated_workers::codec::Postcard;
use isolated_workers::error::Executed;
use isolated_workers::layer::{SetMetadata, Timeout};
use isolated_workers::prelude::*;
use isolated_workers::service::Local;
use isolated_workers_nats::{self as nats, Remote};
use tokio::time::{Instant, timeout};

use crate::server::Server;
use crate::work::{PATIENCE, Work, WorkClient, Worker, connect, machine, remote, server, work};

#[tokio::test(flavor = "multi_thread")]
async fn the_same_client_calls_a_fleet() {
    let Some(server) = server().await else { return };
    let (_machine, state) = machine(&connect(&server).await, "a", 4).await;
    let fleet = WorkClient::new(remote(&connect(&server).await).await);
    assert_eq!(fleet.square(9).await.unwrap(), 81);
    assert_eq!(fleet.divide(1, 0).await.unwrap_err().service().unwrap(), "division by zero");
    let panicked = fleet.crash().await.unwrap_err();
    assert_eq!((panicked.kind(), panicked.executed()), (ErrorKind::Panicked, Executed::Yes), "{panicked}");
    fleet.note().await.unwrap();
    timeout(PATIENCE, state.noted(1)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn many_calls_are_in_flight_and_none_gets_the_answer_of_another() {
    let Some(server) = server().await else { return };
    let (_machine, _) = machine(&connect(&server).await, "a", 512).await;
    let fleet = WorkClient::new(remote(&connect(&server).await).await);
    let calls = (0..2000).map(|number| {
        let fleet = &fleet;
        async move { assert_eq!(fleet.square(number).await.unwrap(), number * number) }
    });
    futures_util::future::join_all(calls).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_without_a_machine_is_an_immediate_error_of_a_call_that_was_not_run() {
    let Some(server) = server().await else { return };
    let fleet = WorkClient::new(remote(&connect(&server).await).await);
    let began = Instant::now();
    let error = fleet.square(1).await.unwrap_err();
    assert_eq!((error.kind(), error.executed()), (ErrorKind::Closed, Executed::No), "{error}");
    assert!(error.to_string().contains("no machine serves Work ("), "{error}");
    assert!(began.elapsed() < Duration::from_secs(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_and_the_deadline_arrive() {
    let Some(server) = server().await else { return };
    let (_machine, _) = machine(&connect(&server).await, "a", 4).await;
    let fleet = remote(&connect(&server).await).await;
    let fleet = fleet
        .wrapped_by(Timeout::new(Duration::from_secs(60)))
        .wrapped_by(SetMetadata::new([("tenant", "é %\n")]));
    let (tenant, _) = WorkClient::new(fleet).context().await.unwrap();
    assert_eq!(tenant.as_deref(), Some("é %\n"));
    let fleet =
        Remote::builder(connect(&server).await, "test").timeout(Duration::from_secs(60)).await.unwrap();
    let (_, left) = WorkClient::new(fleet).context().await.unwrap();
    assert!(matches!(left, Some(1..=60_000)), "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_not_answered_in_time_is_cancelled_at_its_machine() {
    let Some(server) = server().await else { return };
    let (_machine, state) = machine(&connect(&server).await, "a", 4).await;
    let limit = Duration::from_millis(600);
    let fleet = Remote::builder(connect(&server).await, "test").timeout(limit).await.unwrap();
    let error = WorkClient::new(fleet).wait().await.unwrap_err();
    assert_eq!((error.kind(), error.executed()), (ErrorKind::Timeout, Executed::Maybe), "{error}");
    timeout(PATIENCE, state.waiting(0)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_call_is_cancelled_at_its_machine() {
    let Some(server) = server().await else { return };
    let (_machine, state) = machine(&connect(&server).await, "a", 4).await;
    let fleet = remote(&connect(&server).await).await;
    let client = WorkClient::new(fleet.clone());
    let call = tokio::spawn(async move { client.wait().await });
    timeout(PATIENCE, state.waiting(1)).await.unwrap();
    call.abort();
    timeout(PATIENCE, state.waiting(0)).await.unwrap();
    assert_eq!(fleet.in_flight(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_call_is_cancelled_even_if_the_fleet_is_dropped_with_it() {
    let Some(server) = server().await else { return };
    let (_machine, state) = machine(&connect(&server).await, "a", 4).await;
    let client = WorkClient::new(remote(&connect(&server).await).await);
    let call = tokio::spawn(async move { client.wait().await });
    timeout(PATIENCE, state.waiting(1)).await.unwrap();
    call.abort();
    timeout(PATIENCE, state.waiting(0)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_longer_than_the_silence_of_a_dead_machine_is_answered() {
    let Some(server) = server().await else { return };
    let (_machine, state) = machine(&connect(&server).await, "a", 4).await;
    let fleet = WorkClient::new(remote(&connect(&server).await).await);
    let mut beats = connect(&server).await.subscribe("_INBOX.*.beat").await.unwrap();
    let call = tokio::spawn(async move { fleet.wait().await });
    timeout(PATIENCE, state.waiting(1)).await.unwrap();
    // One each second, and a silent machine is known after 2.75 s.
    for _ in 0..5 {
        timeout(PATIENCE, beats.next()).await.unwrap().unwrap();
    }
    state.release.notify_waiters();
    assert_eq!(call.await.unwrap().unwrap(), 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_method_with_a_stream_is_refused_before_anything_is_sent() {
    let Some(server) = server().await else { return };
    let client = connect(&server).await;
    let fleet = WorkClient::new(remote(&client).await);
    let before = client.statistics().out_messages.load(std::sync::atomic::Ordering::Relaxed);
    let error = fleet.count(3).next().await.unwrap().unwrap_err();
    assert_eq!((error.kind(), error.executed()), (ErrorKind::Unsupported, Executed::No), "{error}");
    let after = client.statistics().out_messages.load(std::sync::atomic::Ordering::Relaxed);
    assert_eq!(before, after);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_over_the_limit_of_the_server_is_an_error_on_its_side() {
    let Some(server) = Server::start_with("max_payload: 65536").await else { return };
    let (_machine, _) = machine(&connect(&server).await, "a", 4).await;
    let fleet = WorkClient::new(remote(&connect(&server).await).await);
    let error = fleet.echo(vec![7; 70_000]).await.unwrap_err();
    assert_eq!((error.kind(), error.executed()), (ErrorKind::TooLarge, Executed::No), "{error}");
    let error = fleet.zeros(70_000).await.unwrap_err();
    assert_eq!((error.kind(), error.executed()), (ErrorKind::TooLarge, Executed::Yes), "{error}");
    assert_eq!(fleet.echo(vec![7; 1000]).await.unwrap(), [7; 1000]);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_need_escapes_and_another_codec_work() {
    let Some(server) = server().await else { return };
    let fleet_name = "a fleet. *>é";
    let client = connect(&server).await;
    let service = Local::new(Worker::default().into_service(), Postcard);
    let _machine = nats::serve(service, client.clone(), fleet_name).service(work::SCHEMA).await.unwrap();
    let fleet = Remote::builder(client.clone(), fleet_name).codec(Postcard).await.unwrap();
    assert_eq!(WorkClient::new(fleet).square(3).await.unwrap(), 9);
    // The codec is a part of the subject, so no machine decodes the bytes of another one.
    let fleet = Remote::connect(client, fleet_name).await.unwrap();
    let error = WorkClient::new(fleet).square(3).await.unwrap_err();
    assert_eq!(error.executed(), Executed::No, "{error}");
    assert!(error.to_string().contains("with the codec json"), "{error}");
}
