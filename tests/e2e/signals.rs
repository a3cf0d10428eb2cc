use futures_util::future::join_all;
use isolated_workers::driver::Thread;
use isolated_workers::error::{Executed, ExitReason};
use isolated_workers::host::OnCrash;
use isolated_workers::transport::{Bound, CHANNEL_VARIABLE, Transport, UnixSocket};
use isolated_workers::{ErrorKind, serve};
use isolated_workers_test_support::{
    Fifo,
    process::{PidFd, catches},
};
use rustix::process::Signal;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

use super::services::life::{Life, Living};
use super::*;

async fn plain() -> (Worker, LifeClient<Worker>, PidFd) {
    let worker = soon(life_worker("plain").spawn()).await.unwrap();
    let process = PidFd::open(worker.pid());
    (worker.clone(), LifeClient::new(worker), process)
}

/// Calls the worker until it refuses a call. Returns the error.
async fn refused(client: &LifeClient<Worker>) -> isolated_workers::Error {
    soon(async {
        loop {
            if let Err(error) = client.pid().await {
                return error;
            }
        }
    })
    .await
}

#[tokio::test]
async fn a_signal_drains_a_worker() {
    for signal in [Signal::TERM, Signal::INT] {
        let (worker, client, process) = plain().await;
        let (pipe, oneway) = (Fifo::new(), Fifo::new());
        let copy = oneway.sibling("copy");
        soon(client.copy(oneway.path(), copy.clone())).await.unwrap();
        let finish = async {
            let (mut read, mut copied) = (pipe.opened().await, oneway.opened().await);
            process.signal(signal);
            let error = refused(&client).await;
            assert_eq!((error.kind(), error.executed()), (ErrorKind::Closed, Executed::No), "{error}");
            assert!(!process.has_ended());
            std::io::Write::write_all(&mut read, b"the reply").unwrap();
            drop(read);
            std::io::Write::write_all(&mut copied, b"a copy").unwrap();
        };
        let (answer, ()) = soon(async { tokio::join!(client.read(pipe.path()), finish) }).await;
        assert_eq!(answer.unwrap(), "the reply");
        assert_eq!(soon(worker.closed()).await, ExitReason::Exited(0));
        assert_eq!(std::fs::read_to_string(copy).unwrap(), "a copy", "the oneway message did not finish");
    }
}

#[tokio::test]
async fn a_signal_ends_an_idle_worker() {
    let (worker, _client, process) = plain().await;
    process.signal(Signal::TERM);
    assert_eq!(soon(worker.closed()).await, ExitReason::Exited(0));

    let (worker, _client, process) = plain().await;
    soon(worker.disconnect()).await.unwrap();
    process.signal(Signal::TERM);
    assert_eq!(soon(worker.closed()).await, ExitReason::Exited(0));
}

#[tokio::test]
async fn no_call_is_lost_while_signalled_workers_are_replaced() {
    let worker = soon(life_worker("plain").on_crash(OnCrash::respawn()).spawn()).await.unwrap();
    for _ in 0..10 {
        let (before, client) = (worker.pid(), LifeClient::new(worker.clone()));
        let calls = join_all((0..8).map(|_| async { while client.pid().await.unwrap() == before {} }));
        let signal = async {
            client.pid().await.unwrap();
            PidFd::open(before).signal(Signal::TERM);
        };
        soon(async { tokio::join!(calls, signal) }).await;
    }
}

#[tokio::test]
async fn a_second_signal_ends_a_worker_at_once() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let (worker, client, process) = plain().await;
        let mut wait = Box::pin(client.wait());
        assert!(futures_util::poll!(&mut wait).is_pending());
        assert_eq!(soon(client.pid()).await.unwrap(), worker.pid());
        process.signal(Signal::TERM);
        refused(&client).await;
        process.signal(signal);
        let error = soon(wait).await.unwrap_err();
        assert_eq!(error.crash().unwrap().reason, ExitReason::Exited(code), "{error}");
    }
}

#[tokio::test]
async fn a_busy_worker_still_handles_signals() {
    let (worker, client, process) = plain().await;
    let mut spin = Box::pin(client.spin());
    assert!(futures_util::poll!(&mut spin).is_pending());
    // Two pending signals of one kind count as one, so the test sends two kinds.
    process.signal(Signal::TERM);
    process.signal(Signal::INT);
    soon(spin).await.unwrap_err();
    assert!(matches!(soon(worker.closed()).await, ExitReason::Exited(130 | 143)));
}

/// The runtime handles signals until the signal listener's thread runs.
#[tokio::test]
async fn a_signal_ends_a_worker_that_waits_for_the_handshake() {
    let mut bound = UnixSocket.bind().unwrap();
    let inheritance = bound.inheritance();
    let mut command = tokio::process::Command::new(LIFE_WORKER);
    command.arg("plain").env(CHANNEL_VARIABLE, format!("unix-socket:{}", inheritance.address));
    let mut child = command.stdin(inheritance.stdin.unwrap()).kill_on_drop(true).spawn().unwrap();
    let _channel = bound.establish().await.unwrap();
    let pid = child.id().unwrap();
    soon(async {
        while !catches(pid, Signal::TERM) {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    })
    .await;
    PidFd::open(pid).signal(Signal::TERM);
    assert!(soon(child.wait()).await.unwrap().success());
}

/// Plays a host that supports only requests.
#[tokio::test]
async fn a_draining_worker_refuses_late_requests_of_a_host_without_go_away() {
    let mut bound = UnixSocket.bind().unwrap();
    let inheritance = bound.inheritance();
    let mut command = tokio::process::Command::new(LIFE_WORKER);
    command.arg("no-handshake").env(CHANNEL_VARIABLE, format!("unix-socket:{}", inheritance.address));
    let mut child = command.stdin(inheritance.stdin.unwrap()).kill_on_drop(true).spawn().unwrap();
    let mut channel = bound.establish().await.unwrap();
    let mut lines = BufReader::new(channel.reader).lines();

    let pipe = Fifo::new();
    let request =
        format!("{{\"type\":\"read\",\"payload\":{{\"path\":\"{}\"}},\"tx\":\"1\"}}\n", pipe.path());
    channel.writer.write_all(request.as_bytes()).await.unwrap();
    let mut read = pipe.opened().await;
    PidFd::open(child.id().unwrap()).signal(Signal::TERM);
    let refused = async {
        loop {
            channel.writer.write_all(b"{\"type\":\"pid\",\"tx\":\"2\"}\n").await.unwrap();
            let answer = lines.next_line().await.unwrap().unwrap();
            assert!(answer.contains(r#""tx":"2""#), "{answer}");
            if answer.contains("IW_CLOSED") {
                break;
            }
        }
    };
    soon(refused).await;
    std::io::Write::write_all(&mut read, b"done").unwrap();
    drop(read);
    let reply = soon(lines.next_line()).await.unwrap().unwrap();
    assert!(reply.contains(r#""tx":"1""#) && reply.contains(r#""done""#), "{reply}");
    assert_eq!(soon(lines.next_line()).await.unwrap(), None);
    assert!(soon(child.wait()).await.unwrap().success());
}

#[tokio::test]
async fn server_stop_drains_the_worker() {
    let worker = soon(life_worker("stoppable").spawn()).await.unwrap();
    assert!(
        soon(LifeClient::new(worker.clone()).stop()).await.unwrap(),
        "a server runs until it has drained"
    );
    assert_eq!(soon(worker.closed()).await, ExitReason::Exited(0));
}

#[tokio::test]
async fn is_running_of_a_thread_server_is_true_until_it_stops() {
    let (sender, mut running) = tokio::sync::mpsc::unbounded_channel::<bool>();
    let thread = Thread::new(move || {
        let sender = sender.clone();
        async move {
            let living = Living::default();
            let server = living.server.clone();
            let (handle, serving) = serve(living.into_service()).start();
            server.get_or_init(|| handle.clone());
            sender.send(handle.is_running()).unwrap();
            let served = serving.await;
            sender.send(handle.is_running()).unwrap();
            served
        }
    });
    let worker = soon(Worker::builder(thread).spawn()).await.unwrap();
    assert_eq!(soon(running.recv()).await, Some(true));
    assert!(soon(LifeClient::new(worker.clone()).stop()).await.unwrap());
    assert_eq!(soon(running.recv()).await, Some(false));
    assert_eq!(soon(worker.closed()).await, ExitReason::Exited(0));
}
