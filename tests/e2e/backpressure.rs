use std::task::Poll;

use futures_util::future::join_all;
use isolated_workers::host::{OnTimeout, Timeouts};
use isolated_workers::layer::on_request;
use isolated_workers::protocol::Request;
use isolated_workers_test_support::process::PidFd;
use rustix::process::Signal;

use super::*;

/// Bytes in total. All buffers along the way hold far fewer.
const FLOOD_BYTES: usize = 64 << 20;
const PIECE_BYTES: usize = 1 << 20;

#[tokio::test]
async fn a_worker_that_does_not_read_stops_its_callers_and_loses_nothing() {
    let (worker, client) = started_binary().await;
    let process = PidFd::open(worker.pid());
    process.signal(Signal::STOP);
    let mut sent = 0;
    let flood = async {
        for _ in 0..FLOOD_BYTES / PIECE_BYTES {
            client.note("x".repeat(PIECE_BYTES)).await.unwrap();
            sent += 1;
        }
    };
    let mut flood = Box::pin(flood);
    // The stopped worker reads nothing, so the caller stops long before all bytes are in memory.
    let progress = std::future::poll_fn(|cx| Poll::Ready(flood.as_mut().poll(cx))).await;
    assert!(progress.is_pending(), "64 MiB were accepted for a worker that reads nothing");

    process.signal(Signal::CONT);
    soon(flood).await;
    assert_eq!(sent, FLOOD_BYTES / PIECE_BYTES);
    assert_eq!(soon(client.noted()).await.unwrap(), (sent, FLOOD_BYTES));
    worker.close().await.unwrap();
}

/// The bound counts metadata, too.
#[tokio::test]
async fn a_worker_that_does_not_read_stops_callers_that_send_metadata() {
    let with_metadata = on_request(|request: &mut Request| {
        request.metadata_mut().insert("key", "v".repeat(60 << 10));
        Ok(())
    });
    let program = Program::new(WORKER).arg("postcard");
    let worker = soon(Worker::builder(program).codec(Postcard).layer(with_metadata).spawn()).await.unwrap();
    let client = FaultsClient::new(worker.clone());
    let process = PidFd::open(worker.pid());
    process.signal(Signal::STOP);
    let mut flood = Box::pin(async {
        for _ in 0..100 {
            client.note(String::new()).await.unwrap();
        }
    });
    assert!(futures_util::poll!(&mut flood).is_pending(), "6 MiB were accepted");
    process.signal(Signal::CONT);
    soon(flood).await;
    assert_eq!(soon(client.noted()).await.unwrap(), (100, 0));
    worker.close().await.unwrap();
}

#[tokio::test]
async fn replies_to_a_slow_host_all_arrive() {
    let (worker, client) = started_binary().await;
    let calls = (0..FLOOD_BYTES / PIECE_BYTES).map(|_| client.echo(vec![7; PIECE_BYTES / 4].into()));
    let answers = soon(join_all(calls)).await;
    assert!(answers.into_iter().all(|answer| answer.unwrap().len() == PIECE_BYTES / 4));
    worker.close().await.unwrap();
}

#[tokio::test]
async fn a_call_that_waits_for_room_can_be_dropped() {
    let (worker, client) = started_binary().await;
    let process = PidFd::open(worker.pid());
    process.signal(Signal::STOP);
    let mut calls: Vec<_> =
        (0..FLOOD_BYTES / PIECE_BYTES).map(|_| Box::pin(client.echo(vec![7; PIECE_BYTES].into()))).collect();
    for call in &mut calls {
        assert!(futures_util::poll!(call).is_pending());
    }
    drop(calls);
    process.signal(Signal::CONT);
    assert_eq!(soon(client.echo(vec![1].into())).await.unwrap(), [1][..]);
    worker.close().await.unwrap();
}

#[tokio::test]
async fn a_crash_ends_the_wait_for_room() {
    let (worker, client) = started_binary().await;
    let process = PidFd::open(worker.pid());
    process.signal(Signal::STOP);
    let calls = join_all((0..FLOOD_BYTES / PIECE_BYTES).map(|_| client.echo(vec![7; PIECE_BYTES].into())));
    let kill = async {
        tokio::task::yield_now().await;
        process.signal(Signal::KILL);
    };
    let (ends, ()) = soon(async { tokio::join!(calls, kill) }).await;
    assert!(ends.into_iter().all(|end| end.is_err()));
}

#[tokio::test]
async fn a_worker_that_does_not_read_is_killed_although_no_call_reached_it() {
    let timeouts = Timeouts::default().message(Duration::from_millis(100));
    let builder = worker().timeouts(timeouts).on_timeout(OnTimeout::Kill);
    let worker = soon(builder.spawn()).await.unwrap();
    let (client, stopped) = (FaultsClient::new(worker.clone()), PidFd::open(worker.pid()));
    stopped.signal(Signal::STOP);
    soon(client.note("x".repeat(4 << 20))).await.unwrap();
    soon(async { while client.echo(vec![1].into()).await.is_err() {} }).await;
    assert!(stopped.has_ended());
    soon(worker.close()).await.unwrap();
}
