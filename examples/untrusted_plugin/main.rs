//! A host that runs a plugin which it does not trust: a separate program, built by somebody else.
//! The plugin may compute, and nothing else. It is confined from its first instruction, whatever it
//! does. Only on Linux.
//!
//! ```text
//! cargo build --example untrusted_spy
//! cargo run --example untrusted_plugin
//! ```

mod api;

use std::time::Duration;

use api::PluginClient;
use isolated_workers::driver::Output;
use isolated_workers::host::OnCrash;
use isolated_workers::prelude::*;
use isolated_workers::sandbox::{Protection, Sandbox};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let sandbox = Sandbox::deny_all().memory(256 << 20).cpu_time(Duration::from_secs(1));
    let path = std::env::current_exe()?.with_file_name("untrusted_spy");
    // Its output goes to that of this program, so that you see what it tries.
    let plugin = Program::new(path).stderr(Output::Inherit);
    let worker = Worker::builder(plugin).on_crash(OnCrash::respawn()).sandbox(sandbox).spawn().await?;
    print!("{}", worker.sandbox());
    assert!(worker.sandbox().is_active(Protection::FileRead));

    let plugin = PluginClient::new(worker.clone());
    println!("{} words", plugin.count_words("to be or not to be".into()).await?);

    // It uses more processor time than it may. The host goes on, and so does the next process.
    let error = plugin.count_words("to be forever".into()).await.unwrap_err();
    println!("{error}");
    println!("{} words", plugin.count_words("the rest is silence".into()).await?);
    Ok(worker.close().await?)
}
