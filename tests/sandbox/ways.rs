//! The sandbox of a worker stays the same, whatever happens to its process and its connection.

use isolated_workers::prelude::*;
use isolated_workers::sandbox::{Protection, Sandbox};
use isolated_workers::transport;
use isolated_workers_test_support::soon;

use crate::{is_root, run};

#[test]
fn a_respawned_worker_is_confined_as_its_predecessor() {
    for way in ["own", "launched"] {
        let printed = run(&["host", way, "respawn"]);
        assert_eq!(printed.matches("EACCES").count(), 3, "{printed}");
    }
}

#[test]
fn a_confined_worker_can_be_reconnected_detached_and_attached() {
    for way in ["own", "launched"] {
        let printed = run(&["host", way, "reconnect"]);
        assert_eq!(printed.matches("EACCES").count(), 2, "{printed}");
        let row = "file-read         active       announced by the worker";
        assert!(printed.lines().any(|line| line == row), "{printed}");
    }
}

#[test]
fn the_default_proposal_leaves_files_network_and_processes() {
    for way in ["own", "launched"] {
        let printed = run(&["host", way, "crash-only"]);
        for name in ["core-dumps", "open-files", "new-privileges"] {
            assert!(
                printed.lines().any(|line| line.starts_with(name) && line.contains(" active ")),
                "{printed}"
            );
        }
        assert_eq!(printed.matches(" active ").count(), 3, "{printed}");
        assert_eq!(printed.matches(": \"\"").count(), 3, "{printed}");
    }
}

/// Starts the worker that knows nothing of this library. Returns the result of the start, and what
/// the worker found when it read a file of the host.
async fn stranger(sandbox: Option<Sandbox>) -> (Result<String, Error>, String) {
    let dir = tempfile::tempdir().unwrap();
    let writable = dir.path().join("writable");
    std::fs::create_dir(&writable).unwrap();
    std::fs::write(dir.path().join("secret"), "secret").unwrap();
    let outcome = writable.join("outcome");
    let program = Program::new(env!("CARGO_BIN_EXE_sandbox-stranger"));
    let program = program.arg(dir.path().join("secret")).arg(&outcome);
    let builder = Worker::builder(program).transport(transport::Stdio);
    let started = match sandbox {
        Some(sandbox) => soon(builder.sandbox(sandbox.write(&writable)).spawn()).await,
        None => soon(builder.spawn()).await,
    };
    let report = started.map(|worker| worker.sandbox().to_string());
    (report, std::fs::read_to_string(&outcome).unwrap_or_default())
}

#[tokio::test]
async fn a_program_that_does_not_know_its_policy_is_confined() {
    let (started, outcome) = stranger(Some(Sandbox::deny_all())).await;
    let error = started.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Sandbox, "{error}");
    assert!(error.to_string().contains("`.may_lack(Protection::NewCode)`"), "{error}");
    assert!(outcome.contains("Permission denied"), "it ran confined: {outcome}");

    let (started, outcome) = stranger(Some(Sandbox::deny_all().may_lack(Protection::NewCode))).await;
    let report = started.unwrap();
    assert!(report.contains("new-code          degraded"), "{report}");
    assert!(report.contains("file-read         active"), "{report}");
    assert!(outcome.contains("Permission denied"), "{outcome}");

    let (started, outcome) = stranger(Some(Sandbox::deny_all().without(Protection::NewCode))).await;
    assert!(started.unwrap().contains("new-code          disabled"));
    assert!(outcome.contains("Permission denied"), "{outcome}");

    let (started, outcome) = stranger(None).await;
    assert!(started.unwrap().contains("file-read         disabled"));
    assert_eq!(outcome, "read");
}

#[tokio::test]
async fn a_script_is_confined_before_its_first_line() {
    let script = tempfile::Builder::new().suffix(".sh").tempfile().unwrap();
    std::fs::write(script.path(), "#!/bin/sh\ncat /etc/passwd >&2\nread line < /etc/passwd\necho no >&2\n")
        .unwrap();
    let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(script.path(), permissions).unwrap();
    let script = script.into_temp_path();
    let error = soon(Worker::builder(Program::new(&*script)).sandbox(Sandbox::deny_all()).spawn()).await;
    let error = error.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Startup, "{error}");
    let text = error.to_string();
    assert!(text.contains("Permission denied") || text.contains("fork"), "{text}");
    assert!(!text.contains("root:"), "{text}");
}

#[tokio::test]
async fn a_protection_that_rests_on_one_that_is_off_is_degraded() {
    let check = |sandbox: Sandbox| sandbox.check().map_err(|error| error.to_string());
    let no_writes = check(Sandbox::deny_all().without(Protection::FileWrite));
    match is_root() {
        true => {
            let error = no_writes.unwrap_err();
            assert!(error.contains("new-code cannot be had: a worker of root can write to"), "{error}");
        }
        false => assert!(no_writes.unwrap().is_active(Protection::NewCode)),
    }
    let without_landlock = [
        Protection::FileRead,
        Protection::FileWrite,
        Protection::Execute,
        Protection::AbstractSockets,
        Protection::Signals,
        Protection::NewCode,
        Protection::PathSockets,
    ];
    let open = without_landlock.iter().fold(Sandbox::deny_all(), |it, &protection| it.without(protection));
    let error = check(open.clone()).unwrap_err();
    assert!(error.contains("ptrace cannot be had: the worker can open the memory"), "{error}");
    check(open.without(Protection::Ptrace)).unwrap();
}

#[test]
fn each_worker_of_a_pool_is_confined_also_a_replacement() {
    for way in ["own", "launched"] {
        let printed = run(&["host", way, "pool"]);
        assert_eq!(printed.matches("EACCES").count(), 4, "{printed}");
    }
}
