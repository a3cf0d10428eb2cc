//! A host that loads plugins: separate programs in a folder, built by somebody else. Each serves
//! two services over one connection, and may call its host, which prints its log. Files that are
//! not plugins are skipped. A plugin that crashes is restarted.
//!
//! ```text
//! cargo build --example plugin_reverse --example plugin_shout
//! mkdir -p plugins && cp target/debug/examples/plugin_{reverse,shout} plugins
//! cargo run --example plugin_host -- plugins
//! ```

mod api;

use std::path::{Path, PathBuf};

use api::{AboutClient, Log, PluginClient, about, plugin};
use isolated_workers::driver::Output;
use isolated_workers::host::{OnCrash, OnTimeout, Timeouts};
use isolated_workers::prelude::*;

/// Prints the log of the plugins.
struct Printer;

impl Log for Printer {
    async fn line(&self, text: String) {
        println!("log: {text}");
    }
}

struct Loaded {
    name: String,
    worker: Worker,
}

/// Starts the plugin. Fails if the file is not a plugin.
async fn load(path: &Path) -> Result<Loaded, Error> {
    let worker = Worker::builder(Program::new(path).env_clear().stderr(Output::Capture))
        // Fails now if the plugin was built with other messages.
        .service(plugin::SCHEMA)
        .service(about::SCHEMA)
        .serve(Printer.into_service())
        .timeouts(Timeouts::default().message(std::time::Duration::from_secs(10)))
        .on_timeout(OnTimeout::Kill)
        .on_crash(OnCrash::respawn())
        .spawn()
        .await?;
    let name = AboutClient::new(&worker).name().await?;
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
    let folder = std::env::args_os().nth(1).ok_or("usage: plugin_host <folder>")?;
    let mut plugins = Vec::new();
    for path in files(Path::new(&folder))? {
        match load(&path).await {
            Ok(plugin) => plugins.push(plugin),
            Err(error) => println!("skipped: {error}"),
        }
    }
    for text in ["hello", "hello!", "", "bye"] {
        for Loaded { name, worker } in &plugins {
            match PluginClient::new(worker).transform(text.to_owned()).await {
                Ok(text) => println!("{name}: {text}"),
                Err(CallError::Service(why)) => println!("{name} rejected {text:?}: {why}"),
                Err(CallError::Call(error)) => println!("{name} failed on {text:?}: {error}"),
            }
        }
    }
    for Loaded { worker, .. } in plugins {
        worker.close().await?;
    }
    Ok(())
}
