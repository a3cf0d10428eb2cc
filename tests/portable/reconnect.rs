use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use isolated_workers::ErrorKind;
use isolated_workers::driver::Attach;
use isolated_workers::error::ExitReason;
use isolated_workers::host::{Address, Timeouts};

use super::*;

#[tokio::test]
async fn reconnect_finds_the_state_of_the_worker_intact() {
    let (worker, client) = started().await;
    assert_eq!(client.count().await.unwrap(), 1);
    for round in 2..10 {
        soon(worker.disconnect()).await.unwrap();
        assert!(worker.is_active());
        let error = soon(client.count()).await.unwrap_err();
        assert!(error.to_string().contains("the worker is disconnected; call `reconnect` first"), "{error}");
        soon(worker.reconnect()).await.unwrap();
        assert_eq!(soon(client.count()).await.unwrap(), round);
    }
    soon(worker.close()).await.unwrap();
    assert_eq!(soon(worker.closed()).await, ExitReason::Exited(0));
}

#[tokio::test]
async fn a_worker_that_is_not_reconnected_in_time_exits() {
    let timeouts = Timeouts::default().disconnected(Duration::from_millis(50));
    let worker = soon(worker().timeouts(timeouts).spawn()).await.unwrap();
    soon(worker.disconnect()).await.unwrap();
    assert_eq!(soon(worker.closed()).await, ExitReason::Exited(0));
    let ended = soon(worker.reconnect()).await.unwrap_err();
    assert_eq!(ended.kind(), ErrorKind::Closed, "{ended}");
    assert!(format!("{ended:#}").contains("the worker has ended"), "{ended:#}");
}

#[tokio::test]
async fn close_ends_a_disconnected_worker() {
    let registry = Registry::new().await;
    let (worker, client) = started().await;
    client.hold(registry.port()).await.unwrap();
    let process = registry.process().await;
    soon(worker.disconnect()).await.unwrap();
    soon(worker.close()).await.unwrap();
    process.ended().await;
}

/// Starts a host that detaches its worker and exits. The worker has counted to one.
async fn detached() -> (HeldProcess, Address) {
    let registry = Registry::new().await;
    let mut host = Command::new(WORKER);
    host.args(["host", "detaches", &registry.port().to_string()]).stdin(Stdio::null());
    let mut host = host.stdout(Stdio::piped()).spawn().unwrap();
    let address = soon(tokio::task::spawn_blocking(move || {
        let mut lines = BufReader::new(host.stdout.take().unwrap()).lines().map(Result::unwrap);
        let address = lines.find_map(|line| serde_json::from_str(&line).ok());
        assert!(host.wait().unwrap().success());
        address.expect("the host prints the address")
    }));
    (registry.process().await, address.await.unwrap())
}

#[tokio::test]
async fn a_detached_worker_outlives_its_host_and_serves_the_next() {
    let (process, address) = detached().await;
    for round in 2..5 {
        let worker = soon(Worker::builder(Attach::new(address.clone())).spawn()).await.unwrap();
        assert_eq!(soon(ChoresClient::new(worker.clone()).count()).await.unwrap(), round);
        if round < 4 {
            assert_eq!(soon(worker.detach()).await.unwrap(), address);
        } else {
            soon(worker.close()).await.unwrap();
        }
    }
    process.ended().await;
}

#[tokio::test]
async fn an_attached_worker_ends_with_its_new_host() {
    let (process, address) = detached().await;
    drop(soon(Worker::builder(Attach::new(address)).spawn()).await.unwrap());
    process.ended().await;
}

#[tokio::test]
async fn a_detached_worker_refuses_a_wrong_token() {
    let (process, address) = detached().await;
    let mut wrong = serde_json::to_value(&address).unwrap();
    wrong["token"] = "a wrong token".into();
    let wrong: Address = serde_json::from_value(wrong).unwrap();
    let refused = soon(Worker::builder(Attach::new(wrong)).spawn()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Startup);

    let worker = soon(Worker::builder(Attach::new(address)).spawn()).await.unwrap();
    let count = soon(ChoresClient::new(worker.clone()).count()).await.unwrap();
    assert_eq!(count, 2, "a wrong token changed the worker");
    soon(worker.close()).await.unwrap();
    process.ended().await;
}
