use std::time::Duration;

use isolated_workers::ErrorKind;
use isolated_workers::driver::{Attach, Output};
use isolated_workers::error::{Executed, ExitReason};
use isolated_workers::host::{Address, OnCrash, Status, Timeouts};
use isolated_workers_test_support::{assert_error, block_on, process::PidFd, runtime};
use rustix::process::Signal;

use super::*;

#[tokio::test]
async fn reconnect_finds_the_state_of_the_worker_intact() {
    let (worker, client) = started().await;
    assert_eq!(client.count().await.unwrap(), 1);
    let connected = soon(worker.reconnect()).await.unwrap_err();
    assert!(connected.to_string().contains("it is connected; `disconnect` it first"), "{connected}");
    for round in 2..10 {
        soon(worker.disconnect()).await.unwrap();
        assert!(worker.is_active() && !worker.is_connected());
        soon(worker.reconnect()).await.unwrap();
        assert_eq!(soon(client.count()).await.unwrap(), round);
    }
    soon(worker.close()).await.unwrap();
    assert_eq!(worker.closed().await, ExitReason::Exited(0));
}

#[tokio::test]
async fn calls_fail_while_a_worker_is_disconnected() {
    let (worker, client) = started().await;
    let disconnect = async {
        until_waiting(&client, 1).await;
        worker.disconnect().await.unwrap();
    };
    let (call, ()) = soon(async { tokio::join!(client.wait(), disconnect) }).await;
    let error = call.unwrap_err();
    let text = "the worker was disconnected while `wait` was in flight; `reconnect` reaches it again";
    assert_eq!(error.to_string(), text);
    assert_eq!((error.kind(), error.executed()), (ErrorKind::Closed, Executed::Maybe));

    let error = soon(client.count()).await.unwrap_err();
    assert!(error.to_string().contains("the worker is disconnected; call `reconnect` first"), "{error}");
    assert_eq!((error.kind(), error.executed()), (ErrorKind::Closed, Executed::No));
    let twice = soon(worker.disconnect()).await.unwrap_err();
    assert!(twice.to_string().contains("disconnected already"), "{twice}");

    soon(worker.reconnect()).await.unwrap();
    assert_eq!(soon(client.waiting()).await.unwrap(), 0, "the end of the connection cancels its handlers");
    worker.close().await.unwrap();
}

#[tokio::test]
async fn a_worker_that_is_not_reconnected_in_time_exits() {
    let worker = worker().timeouts(Timeouts::default().disconnected(Duration::from_millis(50)));
    let worker = worker.spawn().await.unwrap();
    soon(worker.disconnect()).await.unwrap();
    assert_eq!(soon(worker.closed()).await, ExitReason::Exited(0));
    let ended = soon(worker.reconnect()).await.unwrap_err();
    assert_eq!(ended.kind(), ErrorKind::Closed, "{ended}");
}

#[tokio::test]
async fn a_crash_is_noticed_while_a_worker_is_disconnected() {
    let (worker, _client) = started().await;
    soon(worker.disconnect()).await.unwrap();
    PidFd::open(worker.pid()).signal(rustix::process::Signal::KILL);
    assert!(matches!(soon(worker.closed()).await, ExitReason::Signaled { signal: 9, .. }));
}

#[tokio::test]
async fn close_ends_a_disconnected_worker() {
    let (worker, _client) = started().await;
    let process = PidFd::open(worker.pid());
    soon(worker.disconnect()).await.unwrap();
    soon(worker.close()).await.unwrap();
    assert!(process.ends_within(HANG_TIMEOUT));
}

pub(crate) async fn detached() -> (PidFd, Address) {
    let program = Program::new(WORKER).stdout(Output::Discard).stderr(Output::Discard);
    let worker = Worker::builder(program).spawn().await.unwrap();
    let process = PidFd::open(worker.pid());
    let client = FaultsClient::new(worker.clone());
    assert_eq!(client.count().await.unwrap(), 1);
    let address = soon(worker.detach()).await.unwrap();
    assert_eq!(soon(worker.closed()).await, ExitReason::Detached);
    assert_eq!(client.count().await.unwrap_err().kind(), ErrorKind::Closed);
    (process, address)
}

#[tokio::test]
async fn a_detached_worker_outlives_its_host_and_serves_the_next() {
    // Host in its own runtime, which ends.
    let first = std::thread::spawn(|| block_on(detached()));
    let (process, address) = first.join().unwrap();
    assert!(!process.ends_within(Duration::from_millis(800)), "a detached worker is no orphan");

    let written = serde_json::to_string(&address).unwrap();
    let address: Address = serde_json::from_str(&written).unwrap();
    let worker = soon(Worker::builder(Attach::new(address.clone())).spawn()).await.unwrap();
    let client = FaultsClient::new(worker.clone());
    assert_eq!(client.count().await.unwrap(), 2);

    // The second host detaches the worker, and the third closes it.
    soon(worker.detach()).await.unwrap();
    let worker = soon(Worker::builder(Attach::new(address)).spawn()).await.unwrap();
    assert_eq!(FaultsClient::new(worker.clone()).count().await.unwrap(), 3);
    soon(worker.close()).await.unwrap();
    assert!(process.ends_within(HANG_TIMEOUT));
}

#[tokio::test]
async fn a_host_exits_after_detach_and_another_process_attaches() {
    let folder = tempfile::tempdir().unwrap();
    let host = tokio::process::Command::new(env!("CARGO_BIN_EXE_e2e-host"))
        .args([WORKER, "detached", "return"])
        .env("TMPDIR", folder.path())
        .output();
    let output = soon(host).await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let printed = String::from_utf8(output.stdout).unwrap();
    let addresses: Vec<Address> =
        printed.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let processes: Vec<_> =
        printed.lines().filter_map(|line| Some(PidFd::open(line.parse().ok()?))).collect();
    assert_eq!((addresses.len(), processes.len()), (2, 2), "{printed}");
    for address in addresses {
        let worker = soon(Worker::builder(Attach::new(address)).spawn()).await.unwrap();
        assert_eq!(FaultsClient::new(worker.clone()).count().await.unwrap(), 2);
        soon(worker.close()).await.unwrap();
    }
    assert!(processes.iter().all(|process| process.ends_within(HANG_TIMEOUT)));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "a socket file remains");
}

#[tokio::test]
async fn without_a_temporary_folder_a_worker_runs_but_cannot_disconnect() {
    let host = tokio::process::Command::new(env!("CARGO_BIN_EXE_e2e-host"))
        .args([WORKER, "nowhere", "return"])
        .env("TMPDIR", "/nowhere")
        .output();
    let output = soon(host).await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(printed.contains("could not disconnect the worker, which stays connected"), "{printed}");
    assert!(printed.contains("count 1"), "{printed}");
}

#[tokio::test]
async fn a_detached_worker_refuses_a_wrong_token() {
    let (process, address) = detached().await;
    let mut wrong = serde_json::to_value(&address).unwrap();
    wrong["token"] = "a wrong token".into();
    let wrong: Address = serde_json::from_value(wrong).unwrap();
    let refused = soon(Worker::builder(Attach::new(wrong)).spawn()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Startup);
    assert!(!format!("{address:?}").contains("token"), "the debug output of an address holds its token");

    let worker = soon(Worker::builder(Attach::new(address)).spawn()).await.unwrap();
    assert_eq!(
        FaultsClient::new(worker.clone()).count().await.unwrap(),
        2,
        "a wrong token changed the worker"
    );
    soon(worker.close()).await.unwrap();
    assert!(process.ends_within(HANG_TIMEOUT));
}

#[tokio::test]
async fn a_worker_whose_host_reads_its_output_cannot_be_detached() {
    let (worker, client) = started().await;
    let error = soon(worker.detach()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("`.stderr(Output::Inherit)`"), "{error}");
    assert_eq!(soon(client.count()).await.unwrap(), 1, "the worker no longer answers");
    soon(worker.close()).await.unwrap();
}

#[test]
fn a_worker_that_does_not_confirm_detach_still_ends_with_its_host() {
    let runtime = runtime();
    let process = runtime.block_on(async {
        let program = Program::new(WORKER).stdout(Output::Discard).stderr(Output::Discard);
        let worker = Worker::builder(program).spawn().await.unwrap();
        let client = FaultsClient::new(worker.clone());
        let mut spin = Box::pin(client.spin());
        assert!(futures_util::poll!(&mut spin).is_pending());
        assert_eq!(soon(worker.detach()).await.unwrap_err().kind(), ErrorKind::Timeout);
        PidFd::open(worker.pid())
    });
    drop(runtime);
    assert!(process.ends_within(HANG_TIMEOUT));
}

/// The supervisor finishes a reconnect, because the worker would end if its new connection were
/// dropped.
#[tokio::test]
async fn a_dropped_reconnect_does_not_end_the_worker() {
    let (worker, client) = started().await;
    for polls in 0..30 {
        soon(worker.disconnect()).await.unwrap();
        let mut reconnect = Box::pin(worker.reconnect());
        for _ in 0..polls {
            if futures_util::poll!(&mut reconnect).is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(reconnect);
        // Waits for the first one.
        let again = soon(worker.reconnect()).await;
        assert!(again.is_ok() || again.as_ref().unwrap_err().kind() == ErrorKind::Config, "{again:?}");
        assert_eq!(soon(client.count()).await.unwrap(), polls + 1);
    }
}

#[tokio::test]
async fn of_two_reconnects_the_second_is_refused() {
    let (worker, client) = started().await;
    soon(worker.disconnect()).await.unwrap();
    let (first, second) = soon(async { tokio::join!(worker.reconnect(), worker.reconnect()) }).await;
    first.unwrap();
    let error = second.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config, "{error}");
    assert_eq!(soon(client.count()).await.unwrap(), 1);
}

/// A worker of its own process, without output that goes through the host.
async fn detachable() -> (Worker, FaultsClient<Worker>, PidFd) {
    let program = Program::new(WORKER).stdout(Output::Discard).stderr(Output::Discard);
    let worker = soon(Worker::builder(program).spawn()).await.unwrap();
    let (client, process) = (FaultsClient::new(worker.clone()), PidFd::open(worker.pid()));
    (worker, client, process)
}

#[tokio::test]
async fn a_dropped_detach_does_not_release_the_worker() {
    let (worker, client, process) = detachable().await;
    assert_eq!(soon(client.count()).await.unwrap(), 1);
    process.signal(Signal::STOP);
    let mut detach = Box::pin(worker.detach());
    assert!(futures_util::poll!(&mut detach).is_pending());
    soon(worker.status().wait_for(|status| *status == Status::Disconnected)).await.unwrap();
    drop(detach);
    process.signal(Signal::CONT);
    // Waits for the worker's confirmation.
    let confirmed = soon(worker.disconnect()).await;
    assert!(confirmed.is_ok() || confirmed.unwrap_err().to_string().contains("disconnected already"));
    assert_eq!(*worker.status().borrow(), Status::Disconnected);
    soon(worker.reconnect()).await.unwrap();
    assert_eq!(soon(client.count()).await.unwrap(), 2);
    soon(worker.close()).await.unwrap();
}

#[tokio::test]
async fn a_disconnected_worker_can_be_detached() {
    let (worker, client, process) = detachable().await;
    assert_eq!(soon(client.count()).await.unwrap(), 1);
    soon(worker.disconnect()).await.unwrap();
    let address = soon(worker.detach()).await.unwrap();
    assert_eq!(soon(worker.closed()).await, ExitReason::Detached);
    let worker = soon(Worker::builder(Attach::new(address)).spawn()).await.unwrap();
    assert_eq!(soon(FaultsClient::new(worker.clone()).count()).await.unwrap(), 2);
    soon(worker.close()).await.unwrap();
    assert!(process.ends_within(HANG_TIMEOUT));
}

#[tokio::test]
async fn a_worker_that_was_stopped_from_within_is_not_detached() {
    let program = Program::new(LIFE_WORKER).arg("stoppable").stdout(Output::Discard).stderr(Output::Discard);
    let worker = soon(Worker::builder(program).spawn()).await.unwrap();
    let client = LifeClient::new(worker.clone());
    let mut stop = Box::pin(client.stop());
    // The message is sent before the go-away.
    assert!(futures_util::poll!(&mut stop).is_pending());
    let error = soon(worker.detach()).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Crashed | ErrorKind::Closed), "{error}");
    assert_eq!(soon(worker.closed()).await, ExitReason::Exited(0));
}

#[tokio::test]
async fn a_worker_that_serves_a_host_does_not_answer_another() {
    let (process, address) = detached().await;
    let first = soon(Worker::builder(Attach::new(address.clone())).spawn()).await.unwrap();
    let timeouts = Timeouts::default().startup(Duration::from_millis(100));
    let error = soon(Worker::builder(Attach::new(address)).timeouts(timeouts).spawn()).await.unwrap_err();
    assert_error(
        &error,
        ErrorKind::Startup,
        &["could not attach to the worker", "it may serve another host"],
    );
    assert_eq!(soon(FaultsClient::new(first.clone()).count()).await.unwrap(), 2);
    soon(first.close()).await.unwrap();
    assert!(process.ends_within(HANG_TIMEOUT));
}

#[tokio::test]
async fn a_worker_that_was_not_reconnected_in_time_is_not_respawned() {
    let timeouts = Timeouts::default().disconnected(Duration::from_millis(50));
    let worker = soon(worker().on_crash(OnCrash::respawn()).timeouts(timeouts).spawn()).await.unwrap();
    soon(worker.disconnect()).await.unwrap();
    assert_eq!(soon(worker.closed()).await, ExitReason::Exited(0));
    assert_eq!(*worker.status().borrow(), Status::Closed);
}
