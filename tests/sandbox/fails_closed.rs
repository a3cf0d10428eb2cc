//! On a system that lacks something, a start fails. It never goes on without it.

use isolated_workers::driver::{Driver, Process, Thread};
use isolated_workers::prelude::*;
use isolated_workers::sandbox::Sandbox;
use isolated_workers_test_support::soon;

use crate::{is_root, run};

const WAYS: [&str; 2] = ["own", "launched"];

/// Asserts that the check and the start fail with a text, on a system that lacks something.
fn assert_fails(lack: &str, text: &str) {
    for way in WAYS {
        let printed = run(&["without", lack, "host", way, "strict"]);
        if printed.starts_with("skipped") {
            return eprintln!("{printed}");
        }
        let lines: Vec<_> = printed.lines().collect();
        assert!(lines[0].starts_with("check IW_SANDBOX: could not confine a worker: "), "{printed}");
        assert!(lines[1].starts_with("start IW_SANDBOX: could not confine the worker "), "{printed}");
        assert!(lines.iter().all(|line| line.contains(text)) && lines.len() == 2, "{printed}");
    }
}

#[test]
fn a_kernel_without_landlock_fails_the_start() {
    assert_fails("landlock", "cannot be had: the kernel has no Landlock");
}

#[test]
fn a_system_without_proc_fails_the_start() {
    if is_root() {
        for way in WAYS {
            let printed = run(&["without", "proc", "host", way, "strict"]);
            assert!(!printed.contains("started"), "{printed}");
            assert!(printed.contains("check IW_SANDBOX: "), "{printed}");
            assert!(printed.contains("/proc is not mounted"), "{printed}");
            // Without `/proc`, the path of the program is unknown, too.
            let code = if way == "own" { "IW_SPAWN" } else { "IW_SANDBOX" };
            assert!(printed.contains(&format!("start {code}: ")), "{printed}");
        }
    }
}

#[test]
fn a_filter_that_cannot_be_installed_fails_the_start() {
    for way in WAYS {
        let printed = run(&["without", "seccomp", "host", way, "strict"]);
        assert!(printed.contains("start IW_SANDBOX: "), "{printed}");
        assert!(!printed.contains("started"), "{printed}");
    }
}

#[test]
fn what_a_worker_may_lack_is_reported_as_missing() {
    for way in WAYS {
        let printed = run(&["without", "landlock", "host", way, "lenient"]);
        assert!(printed.starts_with("started\n"), "{printed}");
        for row in ["file-read         unavailable", "file-write        unavailable"] {
            assert!(printed.contains(row), "{printed}");
        }
        assert!(printed.contains("tcp               active"), "{printed}");
    }
}

#[test]
fn an_unprivileged_user_has_the_same_sandbox() {
    if !is_root() {
        return;
    }
    for lack in ["root", "user-namespace"] {
        for way in WAYS {
            let printed = run(&["without", lack, "host", way, "attempts"]);
            if printed.starts_with("skipped") {
                eprintln!("{printed}");
                continue;
            }
            for line in printed.lines().filter(|line| line.starts_with("attempt\t")) {
                let is_refused =
                    ["EPERM", "EACCES", "ENOSYS", "EXDEV", "EMFILE", "EBADF", "entity not found"]
                        .iter()
                        .any(|error| line.ends_with(error));
                assert!(is_refused, "{lack}, {way}: {line}");
            }
            assert!(printed.contains("file-read         active"), "{printed}");
        }
    }
}

#[test]
fn lower_limits_of_the_host_are_kept() {
    if is_root() {
        for way in WAYS {
            let printed = run(&["without", "limits", "host", way, "strict"]);
            assert!(printed.starts_with("started as "), "{printed}");
        }
    }
}

#[test]
fn a_thread_that_runs_before_the_sandbox_fails_the_start() {
    for way in WAYS {
        let printed = run(&["host", way, "thread"]);
        assert!(printed.starts_with("start IW_SANDBOX: "), "{printed}");
        assert!(printed.contains("2 threads run already"), "{printed}");
    }
}

#[tokio::test]
async fn a_worker_on_a_thread_cannot_be_confined() {
    let thread = Thread::new(async || Ok(()));
    let error = soon(Worker::builder(thread).sandbox(Sandbox::deny_all()).spawn()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Sandbox, "{error}");
}

/// Driver that starts a program and does not pass the sandbox on.
struct Forgetful(Program);

impl Driver for Forgetful {
    type Transport = <Program as Driver>::Transport;
    type Running = Process;

    fn subject(&self) -> String {
        self.0.subject()
    }

    fn transport(&self) -> Self::Transport {
        self.0.transport()
    }

    fn start(&self, mut launch: isolated_workers::driver::Launch) -> Result<Process, Error> {
        launch.sandbox = None;
        self.0.start(launch)
    }
}

#[tokio::test]
async fn a_driver_that_forgets_the_sandbox_fails_the_start() {
    let driver = Forgetful(Program::new(env!("CARGO_BIN_EXE_sandbox-program")));
    let error = soon(Worker::builder(driver).sandbox(Sandbox::deny_all()).spawn()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Sandbox, "{error}");
    assert!(error.to_string().contains("its driver cannot confine workers"), "{error}");
}

#[tokio::test]
async fn a_path_that_is_missing_fails_the_start() {
    let program = Program::new(env!("CARGO_BIN_EXE_sandbox-program"));
    let sandbox = Sandbox::deny_all().read("/no/such/folder");
    let error = soon(Worker::builder(program).sandbox(sandbox).spawn()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Sandbox, "{error}");
    assert!(error.to_string().contains("could not open /no/such/folder"), "{error}");
}

#[tokio::test]
async fn a_sandbox_needs_a_handshake() {
    let program = Program::new(env!("CARGO_BIN_EXE_sandbox-program"));
    let builder = Worker::builder(program).sandbox(Sandbox::deny_all()).without_handshake();
    assert_eq!(builder.spawn().await.unwrap_err().kind(), ErrorKind::Config);
}
