//! Workers and hosts in Node.js, from scripts that use nothing but what comes with it. Where there is no `node`, every
//! test here says so and passes.

mod node_host;
mod node_worker;
mod service;

use std::path::PathBuf;

/// The path of a script, where there is something to run it.
fn script(name: &str) -> Option<PathBuf> {
    let node = std::process::Command::new("node").arg("--version").output();
    if node.is_ok_and(|node| node.status.success()) {
        return Some([env!("CARGO_MANIFEST_DIR"), "interop", name].iter().collect());
    }
    eprintln!("skipped: no node in PATH");
    None
}
