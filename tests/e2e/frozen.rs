//! A host that is stopped and continued: what arrived in time counts, and the time of the stop is
//! no silence of the worker.

use std::process::Stdio;
use std::time::Duration;

use isolated_workers_test_support::Fifo;
use isolated_workers_test_support::process::PidFd;
use rustix::process::Signal;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout};

use super::*;

struct Host {
    process: PidFd,
    worker: PidFd,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    _child: Child,
}

async fn host(state: &str, argument: &str) -> Host {
    let mut child = tokio::process::Command::new(env!("CARGO_BIN_EXE_e2e-host"))
        .args([WORKER, state, argument])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let worker = soon(lines.next_line()).await.unwrap().unwrap().parse().unwrap();
    let process = PidFd::open(child.id().unwrap());
    Host { process, worker: PidFd::open(worker), stdin: child.stdin.take().unwrap(), lines, _child: child }
}

#[tokio::test]
async fn an_answer_that_arrived_while_the_host_was_stopped_counts() {
    let pipe = Fifo::new();
    let mut host = host("answered", &pipe.path()).await;
    let mut read = pipe.opened().await;
    host.process.signal(Signal::STOP);
    std::io::Write::write_all(&mut read, b"the reply").unwrap();
    drop(read);
    // The timeout of the call, one second, passes while the host is stopped.
    tokio::time::sleep(Duration::from_secs(2)).await;
    host.process.signal(Signal::CONT);
    let result = soon(host.lines.next_line()).await.unwrap().unwrap();
    assert_eq!(result, "Ok(\"the reply\") true");
}

#[tokio::test]
async fn a_worker_that_was_stopped_with_its_host_is_not_taken_for_hung() {
    let mut host = host("pinged", "").await;
    host.worker.signal(Signal::STOP);
    // A ping is sent after 50 ms, and must be answered within a second.
    tokio::time::sleep(Duration::from_millis(300)).await;
    host.process.signal(Signal::STOP);
    tokio::time::sleep(Duration::from_secs(2)).await;
    host.process.signal(Signal::CONT);
    // The worker continues a little later.
    tokio::time::sleep(Duration::from_millis(20)).await;
    host.worker.signal(Signal::CONT);
    host.stdin.write_all(b"\n").await.unwrap();
    let result = soon(host.lines.next_line()).await.unwrap().unwrap();
    assert_eq!(result, "Ok(\"1\") true");
}
