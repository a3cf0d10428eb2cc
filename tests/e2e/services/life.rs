//! Service for tests of startup data, signals, panics and blocking handlers, with its handler.

use std::sync::{Arc, OnceLock};

use isolated_workers::service;
use isolated_workers::service::Context;
use isolated_workers::worker::Server;
use serde::{Deserialize, Serialize};

/// Startup data of the worker.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Config {
    pub(crate) secret: String,
    pub(crate) refuses: bool,
    pub(crate) nested: Option<Box<Config>>,
}

#[service]
pub(crate) trait Life {
    /// Returns the startup data.
    async fn config(&self) -> Config;
    async fn pid(&self) -> u32;
    async fn exit(&self, code: i32);
    /// Calls `Server::stop`. Returns `true` if the server still runs afterwards.
    async fn stop(&self) -> bool;
    async fn wait(&self);
    async fn spin(&self);
    /// Reads a named pipe to its end. The test holds the other end.
    #[message(blocking)]
    fn read(&self, path: String) -> String;
    #[message(blocking, oneway)]
    fn copy(&self, from: String, to: String);
    /// Reads the first file, waits until the call is cancelled, and reads the second file.
    #[message(blocking)]
    fn read_after_cancel(&self, context: Context, first: String, second: String);
    #[message(blocking)]
    fn divide(&self, a: i64, b: i64) -> Result<i64, String>;
    /// Panics with the line number as the message.
    async fn panic(&self);
    #[message(blocking)]
    fn panic_blocking(&self);
    #[message(oneway)]
    async fn panic_oneway(&self);
}

#[derive(Default)]
pub(crate) struct Living {
    pub(crate) config: Config,
    /// Set as soon as the server runs.
    pub(crate) server: Arc<OnceLock<Server>>,
}

impl Life for Living {
    async fn config(&self) -> Config {
        self.config.clone()
    }
    async fn pid(&self) -> u32 {
        std::process::id()
    }
    async fn exit(&self, code: i32) {
        std::process::exit(code)
    }
    async fn stop(&self) -> bool {
        let server = self.server.get().expect("a running server");
        server.stop();
        server.is_running()
    }
    async fn wait(&self) {
        std::future::pending().await
    }
    async fn spin(&self) {
        loop {
            std::hint::spin_loop();
        }
    }
    fn read(&self, path: String) -> String {
        std::fs::read_to_string(path).unwrap()
    }
    fn copy(&self, from: String, to: String) {
        let text = std::fs::read(from).unwrap();
        std::fs::write(to, text).unwrap();
    }
    fn read_after_cancel(&self, context: Context, first: String, second: String) {
        std::fs::read(first).unwrap();
        tokio::runtime::Handle::current().block_on(context.cancelled().cancelled());
        std::fs::read(second).unwrap();
    }
    fn divide(&self, a: i64, b: i64) -> Result<i64, String> {
        a.checked_div(b).ok_or_else(|| format!("{a} by {b}"))
    }
    async fn panic(&self) {
        panic!("on line {}", line!())
    }
    fn panic_blocking(&self) {
        panic!("on line {}", line!())
    }
    async fn panic_oneway(&self) {
        panic!("on line {}", line!())
    }
}
