use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use isolated_workers::testing::conformance::alone;
use rustix::process::Signal;
use tempfile::TempDir;

use super::PATIENCE;
use super::process::Watched;

/// A host, its workers, and the folder that they have for temporary files.
struct Host {
    process: Child,
    workers: Vec<Watched>,
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
            Ok(pid) => workers.extend(Watched::try_new(pid)),
            Err(_) => break,
        }
    }
    Host { process: host, workers, folder }
}

impl Host {
    fn none_outlives(mut self, what: &str) {
        self.process.wait().unwrap();
        for worker in &self.workers {
            assert!(worker.ends_within(PATIENCE), "a worker that was {what} outlived its host");
        }
        let left: Vec<_> = std::fs::read_dir(self.folder.path()).unwrap().collect();
        assert!(left.is_empty(), "workers that were {what} have left {left:?}");
    }
}

/// How many hosts are killed of each kind: one, or as `ISOLATED_WORKERS_HOSTS` says.
fn hosts() -> usize {
    std::env::var("ISOLATED_WORKERS_HOSTS").map_or(1, |hosts| hosts.parse().unwrap())
}

#[test]
fn no_worker_outlives_a_host_that_is_killed() {
    for _ in 0..hosts() {
        for workers_do in ["idle", "spinning"] {
            let host = host(workers_do, "wait");
            assert_eq!(host.workers.len(), 2, "{workers_do}");
            Watched::new(host.process.id()).signal(Signal::KILL);
            host.none_outlives(workers_do);
        }
    }
}

/// The connection tells it nothing then, and it would wait for a minute.
#[test]
fn no_worker_that_is_disconnected_outlives_a_host_that_is_killed() {
    let host = host("disconnected", "wait");
    assert_eq!(host.workers.len(), 2);
    assert!(!host.workers[0].ends_within(std::time::Duration::from_millis(200)), "its host lives");
    Watched::new(host.process.id()).signal(Signal::KILL);
    host.none_outlives("disconnected");
}

/// In a process of its own, which becomes the parent of the orphans: it is in their session, so that the system does not
/// see to stopped ones by itself.
#[test]
fn no_worker_that_is_stopped_outlives_its_host() {
    alone(concat!(module_path!(), "::no_worker_that_is_stopped_outlives_its_host"), || {
        rustix::process::set_child_subreaper(Some(rustix::process::getpid())).unwrap();
        for _ in 0..hosts() {
            let host = host("idle", "wait");
            assert_eq!(host.workers.len(), 2);
            for worker in &host.workers {
                worker.signal(Signal::STOP);
            }
            Watched::new(host.process.id()).signal(Signal::KILL);
            host.none_outlives("stopped");
        }
    });
}

#[test]
fn no_worker_outlives_a_host_that_ends_by_itself() {
    for host_does in ["exit", "return", "panic", "abort"] {
        for workers_do in ["idle", "spinning"] {
            host(workers_do, host_does).none_outlives(workers_do);
        }
    }
}

#[test]
fn an_interrupt_at_the_terminal_takes_host_and_workers() {
    if ignores_interrupts() {
        eprintln!(
            "skipped: these tests ignore SIGINT, as what a shell runs in the background does, and so would the host"
        );
        return;
    }
    let host = host("spinning", "wait");
    Watched::new(host.process.id()).signal(Signal::INT);
    host.none_outlives("spinning");
}

fn ignores_interrupts() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap();
    u64::from_str_radix(ignored.trim(), 16).unwrap() & 1 << (Signal::INT.as_raw() - 1) != 0
}
