use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use isolated_workers::testing::conformance::alone;
use isolated_workers_test_support::process::{PidFd, ignores};
use isolated_workers_test_support::{HANG_TIMEOUT, assert_error, count_from_env, entries};
use rustix::process::Signal;
use tempfile::TempDir;

/// Host, its workers, and their folder for temporary files.
struct Host {
    process: Child,
    workers: Vec<PidFd>,
    folder: TempDir,
}

/// Starts a host. `state` is the state of its workers, and `end` is how the host ends.
fn host(state: &str, end: &str) -> Host {
    let folder = tempfile::tempdir().unwrap();
    let mut host = Command::new(env!("CARGO_BIN_EXE_e2e-host"))
        .args([super::WORKER, state, end])
        .env("TMPDIR", folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(host.stdout.take().unwrap()).lines();
    let mut workers = Vec::new();
    for line in lines {
        match line.unwrap().parse() {
            // A worker may have ended already, which the tests expect.
            Ok(pid) => workers.extend(PidFd::try_open(pid)),
            Err(_) => break,
        }
        // Nothing tells when such workers are ready but their ids.
        if state == "stays" && workers.len() == 2 {
            break;
        }
    }
    Host { process: host, workers, folder }
}

impl Host {
    fn assert_no_worker_outlives(mut self, state: &str) {
        self.process.wait().unwrap();
        for worker in &self.workers {
            assert!(worker.ends_within(HANG_TIMEOUT), "a worker ({state}) outlived its host");
        }
        let left = entries(self.folder.path());
        assert!(left.is_empty(), "workers ({state}) left {left:?}");
    }
}

/// Number of hosts of each kind that are killed.
fn hosts() -> usize {
    count_from_env("ISOLATED_WORKERS_HOSTS", 1)
}

#[test]
fn no_worker_outlives_a_killed_host() {
    for _ in 0..hosts() {
        for state in ["idle", "spinning"] {
            let host = host(state, "wait");
            assert_eq!(host.workers.len(), 2, "{state}");
            PidFd::open(host.process.id()).signal(Signal::KILL);
            host.assert_no_worker_outlives(state);
        }
    }
}

/// The host kills the group of a worker. Here it cannot.
#[test]
fn no_process_that_a_worker_has_started_outlives_a_killed_host() {
    for state in ["idle,child", "spinning,child", "blocks-exit,child", "disconnected,child"] {
        let host = host(state, "wait");
        assert_eq!(host.workers.len(), 4, "{state}");
        PidFd::open(host.process.id()).signal(Signal::KILL);
        host.assert_no_worker_outlives(state);
    }
}

#[test]
fn no_process_that_a_worker_has_started_outlives_a_host_that_exits_panics_or_aborts() {
    for end in ["exit", "return", "panic", "abort"] {
        for state in ["idle,child", "spinning,child", "disconnected,child"] {
            host(state, end).assert_no_worker_outlives(state);
        }
    }
}

#[test]
fn a_host_that_dies_at_once_after_a_disconnect_leaves_no_file() {
    for _ in 0..20 {
        host("disconnected", "abort").assert_no_worker_outlives("disconnected");
    }
}

#[test]
fn no_worker_whose_exit_handler_blocks_outlives_its_host() {
    let host = host("blocks-exit", "wait");
    assert_eq!(host.workers.len(), 2);
    PidFd::open(host.process.id()).signal(Signal::KILL);
    host.assert_no_worker_outlives("blocks-exit");
}

/// A process that the host has forked without `exec` holds its descriptors. Here this test does.
#[test]
fn no_worker_outlives_a_host_whose_descriptors_stay_open() {
    for state in ["idle", "spinning"] {
        let host = host(state, "wait");
        assert_eq!(host.workers.len(), 2, "{state}");
        let process = PidFd::open(host.process.id());
        let descriptors = process.copy_descriptors();
        assert!(descriptors.len() > 2);
        process.signal(Signal::KILL);
        host.assert_no_worker_outlives(state);
        drop(descriptors);
    }
}

/// The limit of processes includes threads, and does not apply to root.
#[tokio::test]
async fn a_worker_that_cannot_watch_its_host_refuses_to_start() {
    let limited = ["prlimit", "--nproc=1"];
    let program = if rustix::process::getuid().is_root() {
        let nobody = ["--reuid=65534", "--regid=65534", "--clear-groups", "--"];
        isolated_workers::Program::new("setpriv").args(nobody).args(limited)
    } else {
        isolated_workers::Program::new(limited[0]).arg(limited[1])
    };
    let folder = tempfile::tempdir().unwrap();
    // The folder of the build may be closed to other users.
    let worker = folder.path().join("worker");
    std::fs::copy(super::WORKER, &worker).unwrap();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(folder.path(), std::fs::Permissions::clone(&open)).unwrap();
    std::fs::set_permissions(&worker, open).unwrap();
    let started = super::soon(super::Worker::builder(program.arg(worker)).spawn()).await;
    let error = started.expect_err("a worker without threads");
    let parts = ["could not start a thread that watches the host", "raise `ulimit -u`"];
    assert_error(&error, isolated_workers::ErrorKind::Startup, &parts);
}

/// A worker near its limit of descriptors.
#[tokio::test]
async fn a_worker_that_starts_with_few_descriptors_handles_signals() {
    let mut started = 0;
    for descriptors in 4..=24 {
        let program = isolated_workers::Program::new("prlimit").arg(format!("--nofile={descriptors}"));
        let program = program.arg(super::WORKER).stderr(isolated_workers::driver::Output::Capture);
        let Ok(worker) = super::soon(super::Worker::builder(program).spawn()).await else { continue };
        started += 1;
        PidFd::open(worker.pid()).signal(Signal::TERM);
        let reason = super::soon(worker.closed()).await;
        let by_signal = isolated_workers::error::ExitReason::Signaled { signal: 15, core_dumped: false };
        let expected = [isolated_workers::error::ExitReason::Exited(0), by_signal];
        assert!(expected.contains(&reason), "{descriptors}: {reason}");
    }
    assert!(started > 0);
}

/// A disconnected worker gets no end of file from its host. It would linger for a minute.
#[test]
fn no_disconnected_worker_outlives_a_killed_host() {
    let host = host("disconnected", "wait");
    assert_eq!(host.workers.len(), 2);
    assert!(
        !host.workers[0].ends_within(std::time::Duration::from_millis(200)),
        "a worker ended although its host runs"
    );
    PidFd::open(host.process.id()).signal(Signal::KILL);
    host.assert_no_worker_outlives("disconnected");
}

/// `Timeouts::disconnected` has no limit.
#[test]
fn no_worker_that_lingers_without_a_limit_outlives_its_host() {
    let host = host("lingers", "wait");
    assert_eq!(host.workers.len(), 2);
    PidFd::open(host.process.id()).signal(Signal::KILL);
    host.assert_no_worker_outlives("lingers");
}

#[test]
fn no_worker_that_confirms_a_detach_too_late_outlives_its_host() {
    let host = host("detached-late", "wait");
    assert_eq!(host.workers.len(), 2);
    PidFd::open(host.process.id()).signal(Signal::KILL);
    host.assert_no_worker_outlives("detached-late");
}

/// The host has not seen what it waits for, or has given up the detach before it saw that.
#[test]
fn no_worker_outlives_a_host_that_is_killed_during_a_detach() {
    for state in ["detach-unseen", "given-up-ready", "given-up-detached"] {
        let host = host(state, "wait");
        assert_eq!(host.workers.len(), 2, "{state}");
        PidFd::open(host.process.id()).signal(Signal::KILL);
        host.assert_no_worker_outlives(state);
    }
}

/// Runs in its own process, which becomes the parent of the orphans. That process is in their
/// session, so the system does not end stopped orphans with SIGHUP.
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
            host.assert_no_worker_outlives("stopped");
        }
    });
}

/// A shell is the parent of the worker. The worker has ended the connection, so only the end of the
/// host's process can end it.
#[test]
#[cfg(target_os = "linux")]
fn no_worker_behind_a_shell_that_stays_outlives_its_host() {
    let host = host("stays", "wait");
    assert_eq!(host.workers.len(), 2);
    PidFd::open(host.process.id()).signal(Signal::KILL);
    host.assert_no_worker_outlives("stays");
}

#[test]
fn no_worker_outlives_a_host_that_exits_panics_or_aborts() {
    for end in ["exit", "return", "panic", "abort"] {
        for state in ["idle", "spinning"] {
            host(state, end).assert_no_worker_outlives(state);
        }
    }
}

#[test]
fn ctrl_c_ends_host_and_workers() {
    if ignores(std::process::id(), Signal::INT) {
        eprintln!("skipped: this process ignores SIGINT, and so would the host");
        return;
    }
    let host = host("spinning", "wait");
    PidFd::open(host.process.id()).signal(Signal::INT);
    host.assert_no_worker_outlives("spinning");
}
