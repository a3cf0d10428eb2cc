//! Workers that outlive the command.

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

/// Ends the worker.
fn end(address: isolated_workers::host::Address) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let attach = isolated_workers::driver::Attach::new(address);
        isolated_workers::Worker::builder(attach).spawn().await.unwrap().close().await.unwrap();
    });
}
