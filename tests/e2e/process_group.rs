use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::FutureExt;
use isolated_workers::ErrorKind;
use isolated_workers::driver::{Attach, Output};
use isolated_workers::error::ExitReason;
use isolated_workers::host::Timeouts;
use isolated_workers::testing::conformance::alone;
use isolated_workers_test_support::process::{PidFd, children, ignores};
use rustix::process::{Pid, Signal, WaitOptions, getpgid, wait};

use super::*;

async fn with_child() -> (Worker, FaultsClient<Worker>, PidFd) {
    let (worker, client) = started().await;
    let child = PidFd::open(client.start_child().await.unwrap());
    (worker, client, child)
}

#[tokio::test]
async fn a_worker_leads_its_own_process_group() {
    let (worker, _client) = started().await;
    let pid = Pid::from_raw(worker.pid().cast_signed());
    assert_eq!(Some(getpgid(pid).unwrap()), pid);
}

#[tokio::test]
async fn killing_a_worker_kills_its_process_group() {
    let (worker, _client, child) = with_child().await;
    worker.kill();
    soon(worker.closed()).await;
    assert!(child.ends_within(HANG_TIMEOUT));
}

#[tokio::test]
async fn closing_a_worker_kills_its_process_group() {
    let (worker, _client, child) = with_child().await;
    soon(worker.close()).await.unwrap();
    assert_eq!(worker.closed().await, ExitReason::Exited(0));
    assert!(child.ends_within(HANG_TIMEOUT));
}

#[tokio::test]
async fn a_worker_that_exits_takes_its_process_group_with_it() {
    for code in [0, 1] {
        let (_worker, client, child) = with_child().await;
        let error = soon(client.exit(code)).await.unwrap_err();
        assert_eq!(error.crash().unwrap().reason, ExitReason::Exited(code));
        assert!(child.ends_within(HANG_TIMEOUT));
    }
    let (worker, client, child) = with_child().await;
    soon(client.abort()).await.unwrap_err();
    assert!(matches!(soon(worker.closed()).await, ExitReason::Signaled { signal: 6, .. }));
    assert!(child.ends_within(HANG_TIMEOUT));
}

#[tokio::test]
async fn a_failed_start_kills_the_process_group() {
    let folder = tempfile::tempdir().unwrap();
    let pid_file = folder.path().join("pid");
    let program = Program::new("sh")
        .args(["-c", "sleep 600 & echo $! > \"$PID_FILE\"; exit 3"])
        .env("PID_FILE", &pid_file);
    let error = soon(Worker::builder(program).spawn()).await.unwrap_err();
    assert!(error.to_string().contains("exited with code 3"), "{error}");
    let pid = std::fs::read_to_string(pid_file).unwrap().trim().parse().unwrap();
    assert!(PidFd::try_open(pid).is_none_or(|child| child.ends_within(HANG_TIMEOUT)));
}

#[tokio::test]
async fn a_child_in_another_process_group_survives() {
    let (worker, client) = started().await;
    let child = PidFd::open(client.start_child_apart().await.unwrap());
    soon(worker.close()).await.unwrap();
    assert!(!child.has_ended());
    child.signal(Signal::KILL);
}

#[tokio::test]
async fn children_of_a_detached_worker_survive() {
    let program = Program::new(WORKER).stdout(Output::Discard).stderr(Output::Discard);
    let worker = Worker::builder(program).spawn().await.unwrap();
    let process = PidFd::open(worker.pid());
    let child = PidFd::open(FaultsClient::new(worker.clone()).start_child().await.unwrap());
    let address = soon(worker.detach()).await.unwrap();
    soon(worker.closed()).await;
    let worker = soon(Worker::builder(Attach::new(address)).spawn()).await.unwrap();
    soon(worker.close()).await.unwrap();
    let process = tokio::task::spawn_blocking(move || process.ends_within(HANG_TIMEOUT));
    assert!(process.await.unwrap());
    assert!(!child.has_ended());
    child.signal(Signal::KILL);
}

#[tokio::test]
async fn wait_can_be_cancelled_and_restarted() {
    use isolated_workers::driver::{Driver, Running};
    /// Driver handle that waits for its process by dropping and restarting `wait` again and again.
    struct Restarting(isolated_workers::driver::Process);
    impl Running for Restarting {
        type Pid = u32;
        fn pid(&self) -> u32 {
            self.0.pid()
        }
        async fn wait(&mut self) -> ExitReason {
            loop {
                if let Some(reason) = self.0.wait().now_or_never() {
                    return reason;
                }
                tokio::task::yield_now().await;
            }
        }
        fn kill(&mut self) {
            self.0.kill();
        }
    }
    struct RestartingProgram(Program);
    impl Driver for RestartingProgram {
        type Transport = isolated_workers::transport::DefaultTransport;
        type Running = Restarting;
        fn subject(&self) -> String {
            self.0.subject()
        }
        fn transport(&self) -> isolated_workers::transport::DefaultTransport {
            self.0.transport()
        }
        fn start(
            &self,
            launch: isolated_workers::driver::Launch,
        ) -> Result<Restarting, isolated_workers::Error> {
            self.0.start(launch).map(Restarting)
        }
    }
    let worker = Worker::builder(RestartingProgram(Program::new(WORKER))).spawn().await.unwrap();
    let client = FaultsClient::new(worker.clone());
    let child = PidFd::open(client.start_child().await.unwrap());
    let error = soon(client.exit(9)).await.unwrap_err();
    assert_eq!(error.crash().unwrap().reason, ExitReason::Exited(9));
    assert!(child.ends_within(HANG_TIMEOUT));
}

/// Runs in a process of its own, which ignores SIGCHLD or reaps any child.
fn assert_told_how_a_worker_ended(steal: impl Fn() + Send + Sync + 'static) {
    let is_over = Arc::new(AtomicBool::new(false));
    let thief = std::thread::spawn({
        let is_over = Arc::clone(&is_over);
        move || {
            while !is_over.load(Ordering::Relaxed) {
                steal();
            }
        }
    });
    isolated_workers_test_support::block_on(async {
        for _ in 0..20 {
            let (worker, client, child) = with_child().await;
            let process = PidFd::open(worker.pid());
            let error = soon(client.exit(7)).await.unwrap_err();
            assert!(process.has_ended());
            let crash = error.crash().unwrap();
            // Linux 6.15 and later keep the exit status.
            assert!(matches!(crash.reason, ExitReason::Exited(7) | ExitReason::Unknown), "{crash}");
            assert!(child.ends_within(HANG_TIMEOUT));
        }
    });
    is_over.store(true, Ordering::Relaxed);
    thief.join().unwrap();
}

#[test]
fn a_host_that_reaps_any_child_learns_how_a_worker_ended() {
    alone(concat!(module_path!(), "::a_host_that_reaps_any_child_learns_how_a_worker_ended"), || {
        assert_told_how_a_worker_ended(|| {
            let _ = wait(WaitOptions::NOHANG);
            std::thread::yield_now();
        });
    });
}

#[test]
fn a_host_that_ignores_sigchld_learns_how_a_worker_ended() {
    const IGNORES: &str = "ISOLATED_WORKERS_IGNORES_SIGCHLD";
    let name = concat!(module_path!(), "::a_host_that_ignores_sigchld_learns_how_a_worker_ended");
    if std::env::var_os(IGNORES).is_some() {
        assert!(ignores(std::process::id(), Signal::CHILD));
        return assert_told_how_a_worker_ended(|| std::thread::sleep(Duration::from_millis(10)));
    }
    let name = name.split_once("::").unwrap().1;
    let run = std::process::Command::new("env")
        .arg("--ignore-signal=CHLD")
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture", name])
        .env(IGNORES, "1")
        .output()
        .unwrap();
    let output = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success() && output.contains("1 passed"), "{run:?}");
}

/// Runs in its own process, which becomes the parent of the orphaned children, as the first process
/// of a container would.
#[test]
fn killed_children_of_workers_are_not_left_as_zombies() {
    alone(concat!(module_path!(), "::killed_children_of_workers_are_not_left_as_zombies"), || {
        rustix::process::set_child_subreaper(Some(rustix::process::getpid())).unwrap();
        let until_all_are_reaped = async || {
            soon(async {
                while !children().is_empty() {
                    tokio::task::yield_now().await;
                }
            })
            .await;
        };
        isolated_workers_test_support::block_on(async {
            for _ in 0..5 {
                let (_worker, client, _child) = with_child().await;
                soon(client.exit(1)).await.unwrap_err();
            }
            until_all_are_reaped().await;
            let (worker, _client, _child) = with_child().await;
            soon(worker.close()).await.unwrap();
            until_all_are_reaped().await;
        });
        // The supervisor of this worker ends with its runtime.
        let _left = isolated_workers_test_support::block_on(with_child());
        isolated_workers_test_support::block_on(until_all_are_reaped());
    });
}

#[tokio::test]
async fn a_worker_that_has_left_its_process_group_is_ended() {
    let group = getpgid(None).unwrap().as_raw_pid().cast_unsigned();
    for how in ["kill", "close", "drop"] {
        let timeouts = Timeouts::default().close(Duration::from_millis(100));
        let worker = soon(worker().timeouts(timeouts).spawn()).await.unwrap();
        let process = PidFd::open(worker.pid());
        let client = FaultsClient::new(worker.clone());
        soon(client.join_group(group)).await.unwrap();
        process.signal(Signal::STOP);
        match how {
            "kill" => {
                worker.kill();
                soon(worker.closed()).await;
            }
            "close" => assert_eq!(soon(worker.close()).await.unwrap_err().kind(), ErrorKind::Closed),
            _ => {}
        }
        drop((client, worker));
        let ended = tokio::task::spawn_blocking(move || process.ends_within(HANG_TIMEOUT));
        assert!(ended.await.unwrap(), "{how}: the worker still runs");
    }
}
