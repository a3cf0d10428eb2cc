//! Workers that their host may not signal.

use std::process::Command;
use std::time::Duration;

use isolated_workers_test_support::process::{PidFd, kill};

/// Runs a host that loses its rights and kills its worker. Returns the id of the worker and the
/// other lines that the host prints.
fn killed(state: &str) -> (u32, Vec<String>) {
    let (host, worker) = (env!("CARGO_BIN_EXE_e2e-host"), env!("CARGO_BIN_EXE_e2e-worker"));
    let output =
        Command::new("timeout").args(["60", host, worker, "may-not-signal", state]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let mut lines = std::str::from_utf8(&output.stdout).unwrap().lines().map(str::to_owned);
    (lines.next().unwrap().parse().unwrap(), lines.collect())
}

fn is_root() -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        println!("skipped: only root can lose the right to signal");
    }
    is_root
}

#[test]
fn a_killed_worker_that_cannot_be_signalled_ends_with_its_connection() {
    if !is_root() {
        return;
    }
    let (pid, lines) = killed("running");
    assert_eq!(lines, ["exited with code 0", "closed"]);
    assert!(PidFd::try_open(pid).is_none_or(|worker| worker.ends_within(Duration::from_secs(10))));
}

#[test]
fn a_stopped_worker_that_cannot_be_signalled_is_reported() {
    if !is_root() {
        return;
    }
    let (pid, lines) = killed("stopped");
    kill(pid);
    let error = format!(
        "could not close the worker (pid {pid}) gracefully: it did not end when it was killed; run the host as root or \
         as the user of the worker"
    );
    assert_eq!(lines, ["did not end when it was killed", &error]);
}
