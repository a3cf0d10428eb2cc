//! Interoperability with hosts and workers in Node.js, whose scripts use only its standard library.
//! Without `node` in `PATH`, every test prints that it is skipped, and passes.

mod node_host;
mod node_worker;
mod service;
mod streams;

use std::path::PathBuf;

/// Path of a script, or `None` if there is no `node` to run it.
fn script(name: &str) -> Option<PathBuf> {
    let node = std::process::Command::new("node").arg("--version").output();
    if node.is_ok_and(|node| node.status.success()) {
        return Some([env!("CARGO_MANIFEST_DIR"), "interop", name].iter().collect());
    }
    eprintln!("skipped: no node in PATH");
    None
}
