//! Sandboxes of workers: what they refuse, what they leave, and that they fail closed.

#[allow(dead_code, reason = "the program makes the attempts")]
mod escapes;
mod fails_closed;
mod limits;
mod table;
mod ways;

use std::path::Path;
use std::process::Command;

/// Runs a scenario of the program, and returns what it has printed.
fn run(arguments: &[&str]) -> String {
    let program = Command::new(env!("CARGO_BIN_EXE_sandbox-program"))
        .args(arguments)
        .env("SANDBOX_TEST_SECRET", "secret")
        .output()
        .expect("the program runs");
    let [stdout, stderr] = [program.stdout, program.stderr].map(|text| String::from_utf8(text).unwrap());
    assert!(program.status.success(), "{arguments:?}: {stdout}\n{stderr}");
    stdout
}

/// Returns `true` if this process is root, and may therefore simulate other systems.
fn is_root() -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        eprintln!("skipped: only root can simulate this system");
    }
    is_root
}

/// Page of the documentation.
fn page(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(path)).unwrap()
}
