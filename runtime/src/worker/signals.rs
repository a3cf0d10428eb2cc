//! The signals that ask a worker's process to end.

#[cfg_attr(unix, path = "signals/unix.rs")]
#[cfg_attr(windows, path = "signals/windows.rs")]
mod system;

use std::convert::Infallible;
use std::sync::{Arc, OnceLock};

use isolated_workers_transport::Cleanup;

use self::system::Signals;
use super::Server;

/// Has the first signal stop a server, and the second end the process, as each does once the server has ended.
pub(super) struct Obedience {
    signals: Signals,
    server: Server,
    cleanup: Arc<OnceLock<Cleanup>>,
}

impl Obedience {
    /// Signals are listened for when this returns; what they ask for is done while [`Self::obey`] is awaited. Must be
    /// called within a tokio runtime. `None`: they cannot be.
    pub(super) fn new(server: Server, cleanup: Arc<OnceLock<Cleanup>>) -> Option<Self> {
        match Signals::new() {
            Ok(signals) => Some(Self { signals, server, cleanup }),
            Err(error) => {
                tracing::warn!(%error, "signals cannot be listened for: the first one ends this worker at once");
                None
            }
        }
    }

    /// Cancel-safe.
    pub(super) async fn obey(&mut self) -> Infallible {
        loop {
            let code = self.signals.next().await;
            if !self.server.stop_first() {
                if let Some(cleanup) = self.cleanup.get() {
                    cleanup.run();
                }
                std::process::exit(code);
            }
        }
    }

    /// Obeys on a thread of its own, because a handler may keep the runtime of the worker busy.
    pub(super) fn obey_on_thread(mut self) {
        let obey = move || match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => match runtime.block_on(self.obey()) {},
            Err(error) => deaf(&error),
        };
        let thread = std::thread::Builder::new().name("signals".into()).stack_size(256 << 10);
        if let Err(error) = thread.spawn(obey) {
            deaf(&error);
        }
    }
}

fn deaf(error: &std::io::Error) {
    tracing::warn!(%error, "no thread to listen for signals with: this worker does not end for them");
}
