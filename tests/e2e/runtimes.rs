//! Callers on another runtime than the worker, or on none.

use std::pin::pin;

use futures_util::future::join_all;
use futures_util::poll;
use isolated_workers::ErrorKind;
use isolated_workers::host::{OnCrash, Status};
use isolated_workers::transport::{NamedPipe, SocketPair, Stdio, Transport, UnixSocket};
use isolated_workers_test_support::process::PidFd;
use isolated_workers_test_support::{Fifo, assert_error, block_on, block_on_thread, runtime};
use rustix::process::Signal;
use tokio::runtime::Runtime;

use super::*;

/// Larger than all buffers between host and worker.
const LARGE: usize = 7 << 20;

/// Runtime that a thread of its own drives.
fn driven() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

type PostcardWorker<T> = Worker<Link<Postcard>, T>;

async fn started_on<T: Transport>(transport: T) -> (PostcardWorker<T>, FaultsClient<PostcardWorker<T>>) {
    let program = Program::new(WORKER).arg("postcard");
    let worker = soon(Worker::builder(program).codec(Postcard).transport(transport).spawn()).await.unwrap();
    (worker.clone(), FaultsClient::new(worker))
}

fn a_caller_whose_runtime_stops_disturbs_no_other_call<T: Transport>(transport: T) {
    let home = driven();
    let (worker, client) = home.block_on(started_on(transport));
    let process = PidFd::open(worker.pid());
    process.signal(Signal::STOP);
    let undriven = runtime();
    let mut call = Box::pin(client.echo(vec![7; LARGE].into()));
    undriven.block_on(async { assert!(poll!(&mut call).is_pending()) });
    process.signal(Signal::CONT);
    // Nobody drives the other runtime. Then it is dropped, and its call is cancelled.
    assert_eq!(home.block_on(soon(client.echo(vec![1].into()))).unwrap(), [1][..]);
    drop(undriven);
    assert_eq!(home.block_on(soon(client.echo(vec![2; LARGE].into()))).unwrap().len(), LARGE);
    drop(call);
    assert_eq!(home.block_on(soon(client.echo(vec![3].into()))).unwrap(), [3][..]);
    home.block_on(soon(worker.close())).unwrap();
}

fn a_runtime_dropped_in_the_middle_of_its_calls_disturbs_no_other_call<T: Transport>(transport: T) {
    let home = driven();
    let (worker, client) = home.block_on(started_on(transport));
    let other = driven();
    for _ in 0..64 {
        let client = client.clone();
        other.spawn(async move { client.echo(vec![7; LARGE / 16].into()).await });
    }
    // The calls are in flight or parked when their runtime is dropped.
    other.block_on(soon(client.echo(vec![1].into()))).unwrap();
    drop(other);
    assert_eq!(home.block_on(soon(client.echo(vec![2; LARGE].into()))).unwrap().len(), LARGE);
    home.block_on(soon(worker.close())).unwrap();
}

fn callers_on_any_runtime_or_none_are_answered<T: Transport>(transport: T) {
    let home = driven();
    let (worker, client) = home.block_on(started_on(transport));
    let calls = async || {
        for size in [0, 1, LARGE] {
            assert_eq!(client.echo(vec![7; size].into()).await.unwrap().len(), size);
        }
        let many = join_all((0..32).map(|_| client.echo(vec![7; LARGE / 16].into()))).await;
        assert!(many.into_iter().all(|answer| answer.unwrap().len() == LARGE / 16));
        assert_eq!(client.wait_a_little().await.unwrap_err().kind(), ErrorKind::Timeout);
        client.note("noted".into()).await.unwrap();
        assert!(client.notes().await.unwrap().pop().is_some());
    };
    block_on_thread(calls());
    block_on(soon(calls()));
    driven().block_on(soon(calls()));
    home.block_on(soon(calls()));
    block_on_thread(worker.close()).unwrap();
}

fn a_call_times_out_although_nobody_drives_its_worker<T: Transport>(transport: T) {
    let undriven = runtime();
    let (worker, client) = undriven.block_on(started_on(transport));
    let mut moved = Box::pin(client.wait_a_little());
    undriven.block_on(async { assert!(poll!(&mut moved).is_pending()) });
    let errors = [
        block_on_thread(client.wait_a_little()),
        block_on(soon(client.wait_a_little())),
        block_on_thread(moved),
    ];
    for error in errors {
        assert_error(&error.unwrap_err(), ErrorKind::Timeout, &["50ms"]);
    }
    undriven.block_on(async {
        assert_eq!(soon(client.echo(vec![1].into())).await.unwrap(), [1][..]);
        soon(worker.close()).await.unwrap();
    });
}

#[test]
fn a_call_that_moved_with_its_leaving_worker_keeps_its_own_deadline() {
    let undriven = runtime();
    let builder = worker().on_crash(OnCrash::respawn());
    let worker = undriven.block_on(soon(builder.spawn())).unwrap();
    let (client, pipe) = (FaultsClient::new(worker.clone()), Fifo::new());
    let path = pipe.path();
    let caller = std::thread::spawn(move || block_on_thread(client.read_within_a_second(path)));
    let first = worker.pid();
    let reads = undriven.block_on(async {
        let reads = pipe.opened().await;
        PidFd::open(first).signal(Signal::TERM);
        soon(worker.status().wait_for(|_| worker.pid() != first)).await.unwrap();
        reads
    });
    // Nobody drives the runtime of the worker now.
    assert_error(&caller.join().unwrap().unwrap_err(), ErrorKind::Timeout, &["1s"]);
    drop(reads);
    undriven.block_on(soon(worker.close())).unwrap();
}

macro_rules! matrix {
    ($($name:ident: $transport:expr;)*) => {$(
        mod $name {
            use super::*;

            #[test]
            fn a_caller_whose_runtime_stops_disturbs_no_other_call() {
                super::a_caller_whose_runtime_stops_disturbs_no_other_call($transport)
            }
            #[test]
            fn a_runtime_dropped_in_the_middle_of_its_calls_disturbs_no_other_call() {
                super::a_runtime_dropped_in_the_middle_of_its_calls_disturbs_no_other_call($transport)
            }
            #[test]
            fn callers_on_any_runtime_or_none_are_answered() {
                super::callers_on_any_runtime_or_none_are_answered($transport)
            }
            #[test]
            fn a_call_times_out_although_nobody_drives_its_worker() {
                super::a_call_times_out_although_nobody_drives_its_worker($transport)
            }
        }
    )*};
}

matrix! {
    unix_socket: UnixSocket;
    socket_pair: SocketPair;
    stdio: Stdio;
    named_pipe: NamedPipe;
    worker_socket: UnixSocket::bound_by_worker();
}

#[test]
fn a_reconnected_worker_does_not_need_the_runtime_that_reconnected_it() {
    let home = driven();
    let (worker, client) = home.block_on(started_on(UnixSocket));
    block_on(async {
        soon(worker.disconnect()).await.unwrap();
        soon(worker.reconnect()).await.unwrap();
    });
    assert_eq!(home.block_on(soon(client.echo(vec![7; LARGE].into()))).unwrap().len(), LARGE);
    home.block_on(soon(worker.close())).unwrap();
}

#[test]
fn a_reconnect_can_be_dropped() {
    let home = driven();
    let (worker, client) = home.block_on(started_on(UnixSocket));
    home.block_on(async {
        soon(worker.disconnect()).await.unwrap();
        assert!(poll!(pin!(worker.reconnect())).is_pending());
        // It continues.
        soon(worker.status().wait_for(|status| *status == Status::Active)).await.unwrap();
        assert_eq!(soon(client.echo(vec![1].into())).await.unwrap(), [1][..]);
        soon(worker.close()).await.unwrap();
    });
}
