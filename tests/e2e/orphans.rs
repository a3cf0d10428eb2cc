use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use isolated_workers::testing::conformance::alone;
use isolated_workers_test_support::process::{PidFd, ignores};
use isolated_workers_test_support::{HANG_TIMEOUT, count_from_env, entries};
use rustix::process::Signal;
use tempfile::TempDir;

/// A host, its workers, and the folder that they have for temporary files.
struct Host {
    process: Child,
    workers: Vec<PidFd>,
    folder: TempDir,
}

/// Starts a host that does this, and holds on to its workers.
fn host(workers_do: &str, host_does: &str) -> Host {
    let folder = tempfile::tempdir().unwrap();
    let mut host = Command::new(env!("CARGO_BIN_EXE_e2e-host"))
        .args([super::WORKER, workers_do, host_does])
        .env("TMPDIR", folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(host.stdout.take().unwrap()).lines();
    let mut workers = Vec::new();
    for line in lines {
        match line.unwrap().parse() {
            // One that is gone already is what the test is about.
            Ok(pid) => workers.extend(PidFd::try_open(pid)),
            Err(_) => break,
        }
    }
    Host { process: host, workers, folder }
}

impl Host {
    fn none_outlives(mut self, what: &str) {
        self.process.wait().unwrap();
        for worker in &self.workers {
            assert!(worker.ends_within(HANG_TIMEOUT), "a worker that was {what} outlived its host");
        }
        let left = entries(self.folder.path());
        assert!(left.is_empty(), "workers that were {what} have left {left:?}");
    }
}

/// Number of hosts that are killed of each kind.
fn hosts() -> usize {
    count_from_env("ISOLATED_WORKERS_HOSTS", 1)
}

#[test]
fn no_worker_outlives_a_killed_host() {
    for _ in 0..hosts() {
        for workers_do in ["idle", "spinning"] {
            let host = host(workers_do, "wait");
            assert_eq!(host.workers.len(), 2, "{workers_do}");
            PidFd::open(host.process.id()).signal(Signal::KILL);
            host.none_outlives(workers_do);
        }
    }
}

/// The connection tells it nothing then, and it would wait for a minute.
#[test]
fn no_disconnected_worker_outlives_a_killed_host() {
    let host = host("disconnected", "wait");
    assert_eq!(host.workers.len(), 2);
    assert!(!host.workers[0].ends_within(std::time::Duration::from_millis(200)), "its host lives");
    PidFd::open(host.process.id()).signal(Signal::KILL);
    host.none_outlives("disconnected");
}

/// In a process of its own, which becomes the parent of the orphans: it is in their session, so that the system does not
/// see to stopped ones by itself.
#[test]
fn no_stopped_worker_outlives_its_host() {
    alone(concat!(module_path!(), "::no_stopped_worker_outlives_its_host"), || {
        rustix::process::set_child_subreaper(Some(rustix::process::getpid())).unwrap();
        for _ in 0..hosts() {
            let host = host("idle", "wait");
            assert_eq!(host.workers.len(), 2);
            for worker in &host.workers {
                worker.signal(Signal::STOP);
            }
            PidFd::open(host.process.id()).signal(Signal::KILL);
            host.none_outlives("stopped");
        }
    });
}

#[test]
fn no_worker_outlives_a_host_that_exits_panics_or_aborts() {
    for host_does in ["exit", "return", "panic", "abort"] {
        for workers_do in ["idle", "spinning"] {
            host(workers_do, host_does).none_outlives(workers_do);
        }
    }
}

#[test]
fn ctrl_c_ends_host_and_workers() {
    if ignores(std::process::id(), Signal::INT) {
        eprintln!(
            "skipped: these tests ignore SIGINT, as what a shell runs in the background does, and so would the host"
        );
        return;
    }
    let host = host("spinning", "wait");
    PidFd::open(host.process.id()).signal(Signal::INT);
    host.none_outlives("spinning");
}
