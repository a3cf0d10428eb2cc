use std::time::Duration;

use isolated_workers::error::Executed;
use isolated_workers::layer::Retry;
use isolated_workers::prelude::*;
use tokio::time::{Instant, timeout};

use crate::machine_process::MachineProcess;
use crate::work::{PATIENCE, WorkClient, connect, machine, remote, server};

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_machine_is_known_within_three_seconds() {
    let Some(server) = server().await else { return };
    let mut process = MachineProcess::start(&server.url(), "a").await;
    let client = connect(&server).await;
    let mut beats = client.subscribe("_INBOX.*.beat").await.unwrap();
    let fleet = WorkClient::new(remote(&client).await);
    let call = tokio::spawn(async move { fleet.wait().await });
    timeout(PATIENCE, futures_util::StreamExt::next(&mut beats)).await.unwrap().unwrap();
    process.kill().await;
    let killed = Instant::now();
    let error = timeout(PATIENCE, call).await.unwrap().unwrap().unwrap_err();
    let took = killed.elapsed();
    assert_eq!((error.kind(), error.executed()), (ErrorKind::Crashed, Executed::Maybe), "{error}");
    assert!(error.to_string().contains("began it and has been silent"), "{error}");
    assert!(took < Duration::from_secs(3), "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idempotent_call_of_a_killed_machine_is_made_again_elsewhere() {
    let Some(server) = server().await else { return };
    let client = connect(&server).await;
    // Takes the call and never answers: its subscription stays, as that of a machine that hangs.
    let schema = crate::work::work::SCHEMA;
    let subject = format!("iw.test.Work.{:016x}.json.call.*", schema.fingerprint());
    let mut hung = connect(&server).await.queue_subscribe(subject, "iw".to_owned()).await.unwrap();
    let fleet = WorkClient::new(remote(&client).await.wrapped_by(Retry::new(3)));
    let call = tokio::spawn(async move { fleet.square(5).await });
    timeout(PATIENCE, futures_util::StreamExt::next(&mut hung)).await.unwrap().unwrap();
    hung.unsubscribe().await.unwrap();
    let (_machine, _) = machine(&connect(&server).await, "b", 4).await;
    assert_eq!(timeout(PATIENCE, call).await.unwrap().unwrap().unwrap(), 25);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_not_idempotent_is_not_made_again_after_silence() {
    let Some(server) = server().await else { return };
    let schema = crate::work::work::SCHEMA;
    let subject = format!("iw.test.Work.{:016x}.json.call.*", schema.fingerprint());
    let mut hung = connect(&server).await.queue_subscribe(subject, "iw".to_owned()).await.unwrap();
    let fleet = WorkClient::new(remote(&connect(&server).await).await.wrapped_by(Retry::new(3)));
    let error = timeout(PATIENCE, fleet.divide(4, 2)).await.unwrap().unwrap_err();
    let CallError::Call(error) = error else { panic!("{error:?}") };
    assert_eq!((error.kind(), error.executed()), (ErrorKind::Crashed, Executed::Maybe), "{error}");
    assert!(error.to_string().contains("the machine that got it has been silent"), "{error}");
    futures_util::StreamExt::next(&mut hung).await.unwrap();
    let more = futures_util::FutureExt::now_or_never(futures_util::StreamExt::next(&mut hung));
    assert!(more.is_none(), "it was sent once");
}
