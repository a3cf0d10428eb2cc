//! Two services of a worker whose messages have the same names, and two services of its host.

use std::path::Path;
use std::sync::Mutex;

use isolated_workers::codec::Json;
use isolated_workers::service;
use isolated_workers::service::Context;

#[service]
pub(crate) trait Store {
    async fn get(&self, key: u32) -> String;
    #[message(oneway)]
    async fn note(&self, text: String);
    async fn notes(&self) -> Vec<String>;
    /// Ends the process, unless the file exists. Creates it.
    #[message(retry = 3)]
    async fn crash_once(&self, marker: String) -> String;
    /// Calls both services of the host.
    async fn call_host(&self, context: Context) -> Result<(String, u64), String>;
}

#[service]
pub(crate) trait Journal {
    async fn get(&self, key: u32) -> Vec<u32>;
    #[message(oneway)]
    async fn note(&self, text: u64);
    async fn notes(&self) -> Vec<u64>;
    #[message(retry = 3)]
    async fn crash_once(&self, marker: String) -> u64;
    async fn call_host(&self, context: Context) -> Result<(String, u64), String>;
}

/// Service of the host.
#[service]
pub(crate) trait Progress {
    async fn now(&self) -> String;
}

/// Service of the host.
#[service]
pub(crate) trait Clock {
    async fn now(&self) -> u64;
}

#[derive(Default)]
pub(crate) struct MyStore(Mutex<Vec<String>>);

impl Store for MyStore {
    async fn get(&self, key: u32) -> String {
        format!("value {key}")
    }

    async fn note(&self, text: String) {
        self.0.lock().unwrap().push(text);
    }

    async fn notes(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    async fn crash_once(&self, marker: String) -> String {
        crash_without(&marker);
        "store".to_owned()
    }

    async fn call_host(&self, context: Context) -> Result<(String, u64), String> {
        call_host(&context).await
    }
}

#[derive(Default)]
pub(crate) struct MyJournal(Mutex<Vec<u64>>);

impl Journal for MyJournal {
    async fn get(&self, key: u32) -> Vec<u32> {
        vec![key, key]
    }

    async fn note(&self, text: u64) {
        self.0.lock().unwrap().push(text);
    }

    async fn notes(&self) -> Vec<u64> {
        self.0.lock().unwrap().clone()
    }

    async fn crash_once(&self, marker: String) -> u64 {
        crash_without(&marker);
        7
    }

    async fn call_host(&self, context: Context) -> Result<(String, u64), String> {
        call_host(&context).await
    }
}

fn crash_without(marker: &str) {
    if !Path::new(marker).exists() {
        std::fs::write(marker, "").expect("the test's folder exists");
        std::process::abort();
    }
}

async fn call_host(context: &Context) -> Result<(String, u64), String> {
    let text = |error: isolated_workers::Error| format!("{:?}: {error:#}", error.kind());
    let host = context.host::<Json>().map_err(text)?;
    let progress = ProgressClient::new(host.clone()).now().await.map_err(text)?;
    Ok((progress, ClockClient::new(host).now().await.map_err(text)?))
}
