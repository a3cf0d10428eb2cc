//! A machine in a process of its own, which tests can kill.

use std::process::Stdio;

use isolated_workers::codec::Json;
use isolated_workers::service::Local;
use isolated_workers_nats as nats;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::work::{Work, Worker, work};

const URL: &str = "FLEET_TEST_URL";
const NAME: &str = "FLEET_TEST_NAME";

/// Machine in a process. Killed when it is dropped.
pub(crate) struct MachineProcess {
    child: Child,
}

impl MachineProcess {
    /// Starts a machine and waits until it serves.
    pub(crate) async fn start(url: &str, name: &str) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", "machine_process::runs_a_machine", "--ignored", "--nocapture"])
            .env(URL, url)
            .env(NAME, name)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        loop {
            let line = lines.next_line().await.unwrap().expect("the machine serves");
            if line.ends_with("serves") {
                break;
            }
        }
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self { child }
    }

    /// Kills the machine with SIGKILL.
    pub(crate) async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the process of a machine"]
async fn runs_a_machine() {
    let Ok(url) = std::env::var(URL) else { return };
    let client = async_nats::connect(url).await.unwrap();
    let worker = Worker { name: std::env::var(NAME).unwrap(), ..Worker::default() };
    let service = Local::new(worker.into_service(), Json);
    let machine = nats::serve(service, client, "test").service(work::SCHEMA).max_in_flight(64).await.unwrap();
    println!("machine {} serves", machine.id());
    // The end of its standard input is that of its test.
    let mut end = [0];
    let _ = tokio::io::stdin().read(&mut end).await;
}
