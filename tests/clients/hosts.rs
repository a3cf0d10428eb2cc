//! Hosts in Python and Node.js with a worker in Rust, and the worker compared with the cases. The
//! scripts hold the assertions.

use std::process::{Command, Stdio};

use super::interpreters::{Language, has_python};
use super::{WORKER, file};

fn passes(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{printed}{}", String::from_utf8_lossy(&output.stderr));
}

fn host_passes(language: Language, mode: &str) {
    if let Some(mut command) = language.host() {
        passes(command.args([mode, WORKER]));
    }
}

#[test]
fn the_worker_in_rust_sends_the_frames_of_the_cases() {
    if has_python() {
        passes(Command::new("python3").arg(file("conformance.py")).args(["worker", WORKER]));
    }
}

#[test]
fn a_host_in_python_drives_a_worker_in_rust() {
    host_passes(Language::Python, "worker");
}

#[test]
fn a_host_in_node_drives_a_worker_in_rust() {
    host_passes(Language::Node, "worker");
}

#[test]
fn a_host_in_python_loses_and_swaps_nothing_while_workers_in_rust_are_killed() {
    host_passes(Language::Python, "kill");
}

#[test]
fn a_host_in_node_loses_and_swaps_nothing_while_workers_in_rust_are_killed() {
    host_passes(Language::Node, "kill");
}
