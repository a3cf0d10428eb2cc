//! Workers that outlive the command.

use std::fs::Permissions;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};

use crate::support::{example, run};

#[test]
fn a_detached_worker_keeps_its_state_between_commands() {
    let program = example("detached");
    let first = Command::new(program).arg("first-host").stderr(Stdio::null()).output().unwrap();
    assert!(first.status.success());
    let mut file = tempfile::NamedTempFile::new().unwrap();
    std::io::Write::write_all(&mut file, &first.stdout).unwrap();
    let address = format!("attach:{}", file.path().display());
    // The first host has counted to 1.
    for count in 2..5 {
        let ran = run(&["call", &address, "count"]);
        assert_eq!((ran.code, ran.out, &*ran.err), (0, format!("{count}\n"), ""));
    }
    let ran = run(&["call", &address, "no_such_method"]);
    assert_eq!(ran.code, 7, "{}", ran.err);
    let place: serde_json::Value = serde_json::from_slice(&first.stdout).unwrap();
    // Without its token, the worker is not reached, and stays.
    let ran = run(&["call", &format!("unix:{}", place["place"].as_str().unwrap()), "count"]);
    assert_eq!(ran.code, 3, "{}", ran.err);
    assert!(ran.err.contains("another token"), "{}", ran.err);
    assert_eq!(run(&["call", &address, "count"]).out, "5\n");
    let address = serde_json::from_slice(&first.stdout).unwrap();
    end(address);
}

#[test]
fn a_worker_that_waits_for_its_first_host_is_reached_by_its_path() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("worker.sock");
    let listener = UnixListener::bind(&path).unwrap();
    std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    let mut worker = Command::new(example("quickstart"))
        .stdin(OwnedFd::from(listener))
        .env("ISOLATED_WORKERS_CHANNEL", format!("unix-socket:{}", path.display()))
        .spawn()
        .unwrap();
    // It stays after the first command.
    for _ in 0..2 {
        let ran = run(&["call", &format!("unix:{}", path.display()), "add", "a=1", "b=2"]);
        assert_eq!((ran.code, &*ran.out, &*ran.err), (0, "3\n", ""));
    }
    assert!(worker.try_wait().unwrap().is_none());
    worker.kill().unwrap();
    worker.wait().unwrap();
}

/// Ends the worker.
fn end(address: isolated_workers::host::Address) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let attach = isolated_workers::driver::Attach::new(address);
        isolated_workers::Worker::builder(attach).spawn().await.unwrap().close().await.unwrap();
    });
}
