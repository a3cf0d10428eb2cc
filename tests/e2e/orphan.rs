use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use rustix::process::Signal;

use super::PATIENCE;
use super::process::Watched;

/// Starts a host that does this, and holds on to its workers.
fn host(workers_do: &str, host_does: &str) -> (Child, Vec<Watched>) {
    let mut host = Command::new(env!("CARGO_BIN_EXE_e2e-host"))
        .args([super::WORKER, workers_do, host_does])
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
    (host, workers)
}

fn none_outlives(host: &mut Child, workers: Vec<Watched>, what: &str) {
    host.wait().unwrap();
    for worker in workers {
        assert!(worker.ends_within(PATIENCE), "a worker that was {what} outlived its host");
    }
}

#[test]
fn no_worker_outlives_a_host_that_is_killed() {
    for workers_do in ["idle", "spinning"] {
        let (mut host, workers) = host(workers_do, "wait");
        assert_eq!(workers.len(), 2, "{workers_do}");
        Watched::new(host.id()).signal(Signal::KILL);
        none_outlives(&mut host, workers, workers_do);
    }
}

#[test]
fn no_worker_outlives_a_host_that_ends_by_itself() {
    for host_does in ["exit", "return", "panic", "abort"] {
        for workers_do in ["idle", "spinning"] {
            let (mut host, workers) = host(workers_do, host_does);
            none_outlives(&mut host, workers, workers_do);
        }
    }
}

#[test]
fn an_interrupt_at_the_terminal_takes_host_and_workers() {
    let (mut host, workers) = host("spinning", "wait");
    Watched::new(host.id()).signal(Signal::INT);
    none_outlives(&mut host, workers, "spinning");
}
