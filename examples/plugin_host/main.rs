//! A host that loads plugins: each is a program of its own in a folder, written and built by somebody else. What is no
//! plugin is left out, and one that crashes is started again.
//!
//! ```text
//! cargo build --example plugin_reverse --example plugin_shout
//! mkdir -p plugins && cp target/debug/examples/plugin_{reverse,shout} plugins
//! cargo run --example plugin_host -- plugins
//! ```

mod api;

use std::path::{Path, PathBuf};

use api::{PluginClient, plugin};
use isolated_workers::driver::Output;
use isolated_workers::host::{OnCrash, OnTimeout, Timeouts};
use isolated_workers::prelude::*;

struct Loaded {
    name: String,
    worker: Worker,
}

/// Starts the plugin, or says why it is none.
async fn load(path: &Path) -> Result<Loaded, Error> {
    let worker = Worker::builder(Program::new(path).env_clear().stderr(Output::Capture))
        // Built by somebody else: the same messages, or an error that says so now.
        .service(plugin::SCHEMA)
        .timeouts(Timeouts::default().message(std::time::Duration::from_secs(10)))
        .on_timeout(OnTimeout::Kill)
        .on_crash(OnCrash::respawn())
        .spawn()
        .await?;
    let name = PluginClient::new(&worker).name().await?;
    Ok(Loaded { name, worker })
}

fn files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let entries: Result<Vec<_>, _> =
        folder.read_dir()?.map(|entry| entry.map(|entry| entry.path())).collect();
    let mut files = entries?;
    files.sort();
    Ok(files)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args_os().nth(1).ok_or("name the folder of the plugins")?;
    let mut plugins = Vec::new();
    for path in files(Path::new(&folder))? {
        match load(&path).await {
            Ok(plugin) => plugins.push(plugin),
            Err(error) => println!("left out: {error}"),
        }
    }
    for text in ["hello", "hello!", "", "bye"] {
        for Loaded { name, worker } in &plugins {
            match PluginClient::new(worker).transform(text.to_owned()).await {
                Ok(text) => println!("{name}: {text}"),
                Err(CallError::Service(refused)) => println!("{name} refuses {text:?}: {refused}"),
                Err(CallError::Call(error)) => println!("{name} fails on {text:?}: {error}"),
            }
        }
    }
    for Loaded { worker, .. } in plugins {
        worker.close().await?;
    }
    Ok(())
}
