use std::process::{Child, Command, Stdio};

use isolated_workers::Error;
use isolated_workers::driver::{Detach, Driver, Launch, Process};
use isolated_workers::transport::DefaultTransport;

use super::*;

/// Starts a host whose worker performs the given action.
pub(crate) fn host(action: &str, registry: &Registry) -> Child {
    let mut host = Command::new(WORKER);
    host.args(["host", action, &registry.port().to_string()]);
    host.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap()
}

pub(crate) async fn assert_ends_with_its_host(action: &str) {
    let registry = Registry::new().await;
    let mut host = host(action, &registry);
    let process = registry.process().await;
    host.kill().unwrap();
    host.wait().unwrap();
    process.ended().await;
}

#[tokio::test]
async fn killing_the_host_ends_an_idle_worker() {
    assert_ends_with_its_host("idles").await;
}

#[tokio::test]
async fn killing_the_host_ends_a_busy_loop() {
    assert_ends_with_its_host("spins").await;
}

#[tokio::test]
async fn a_worker_ends_after_its_host_exits() {
    let registry = Registry::new().await;
    let mut host = host("exits", &registry);
    registry.process().await.ended().await;
    assert!(host.wait().unwrap().success());
}

/// Driver that releases each worker as soon as it is started.
#[derive(Debug)]
struct Releasing(Program);

impl Driver for Releasing {
    type Transport = DefaultTransport;
    type Running = Process;

    fn subject(&self) -> String {
        self.0.subject()
    }
    fn transport(&self) -> DefaultTransport {
        self.0.transport()
    }
    fn start(&self, launch: Launch) -> Result<Process, Error> {
        let mut process = self.0.start(launch)?;
        process.detach()?;
        Ok(process)
    }
}

#[tokio::test]
async fn children_of_a_released_worker_survive_it() {
    let registry = Registry::new().await;
    let program = Program::new(WORKER).stdout(Output::Discard).stderr(Output::Inherit);
    let worker = soon(Worker::builder(Releasing(program)).spawn()).await.unwrap();
    ChoresClient::new(&worker).start_child(registry.port()).await.unwrap();
    let mut child = registry.process().await;
    soon(worker.close()).await.unwrap();
    drop(worker);
    child.assert_echoes().await;
}
