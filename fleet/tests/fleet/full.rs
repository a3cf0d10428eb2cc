use std::collections::HashSet;
use std::time::Duration;

use isolated_workers::error::Executed;
use isolated_workers::prelude::*;
use isolated_workers_nats::Remote;
use tokio::time::timeout;

use crate::work::{PATIENCE, WorkClient, connect, machine, remote, server};

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_is_full_gets_no_calls_while_another_has_room() {
    let Some(server) = server().await else { return };
    let (_full, state) = machine(&connect(&server).await, "full", 1).await;
    let fleet = WorkClient::new(remote(&connect(&server).await).await);
    let (waiting, released) = (fleet.wait(), async {
        timeout(PATIENCE, state.waiting(1)).await.unwrap();
        let (_idle, _) = machine(&connect(&server).await, "idle", 1).await;
        for _ in 0..50 {
            assert_eq!(fleet.name().await.unwrap(), "idle");
        }
        state.release.notify_waiters();
    });
    assert_eq!(futures_util::join!(waiting, released).0.unwrap(), 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_waits_for_room_and_no_machine_runs_more_than_it_has_room_for() {
    let Some(server) = server().await else { return };
    let (first, _) = machine(&connect(&server).await, "a", 2).await;
    let (second, _) = machine(&connect(&server).await, "b", 1).await;
    let fleet = WorkClient::new(remote(&connect(&server).await).await);
    let names = (0..300).map(|_| {
        let (fleet, first, second) = (&fleet, &first, &second);
        async move {
            let name = fleet.name().await.unwrap();
            assert!(first.in_flight() <= 2 && second.in_flight() <= 1);
            name
        }
    });
    let names: HashSet<_> =
        timeout(PATIENCE, futures_util::future::join_all(names)).await.unwrap().into_iter().collect();
    assert_eq!(names.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_that_stays_full_is_an_error_of_a_call_that_was_not_run() {
    let Some(server) = server().await else { return };
    let (_machine, state) = machine(&connect(&server).await, "a", 1).await;
    let fleet =
        Remote::builder(connect(&server).await, "test").full_wait(Duration::from_millis(300)).await.unwrap();
    let fleet = WorkClient::new(fleet);
    let (waiting, refused) = (fleet.wait(), async {
        timeout(PATIENCE, state.waiting(1)).await.unwrap();
        let error = fleet.square(1).await.unwrap_err();
        state.release.notify_waiters();
        error
    });
    let (waited, error) = futures_util::join!(waiting, refused);
    assert_eq!(waited.unwrap(), 7);
    assert_eq!((error.kind(), error.executed()), (ErrorKind::Overloaded, Executed::No), "{error}");
}
