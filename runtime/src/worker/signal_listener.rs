//! Signals that ask a worker's process to end.

#[cfg_attr(unix, path = "signal_listener/unix.rs")]
#[cfg_attr(windows, path = "signal_listener/windows.rs")]
mod system;

use std::convert::Infallible;
use std::sync::{Arc, OnceLock};

use isolated_workers_transport::Cleanup;

use self::system::ShutdownSignals;
use super::Server;

/// Handles signals: the first one drains the worker, the next one ends the process. Once the worker
/// has ended, any signal ends the process.
pub(super) struct SignalListener {
    signals: ShutdownSignals,
    server: Server,
    cleanup: Arc<OnceLock<Cleanup>>,
}

impl SignalListener {
    /// Registers for the signals. They are handled while [`Self::listen`] is awaited. Must be
    /// called within a tokio runtime. Returns `None` if the system refuses.
    pub(super) fn new(server: Server, cleanup: Arc<OnceLock<Cleanup>>) -> Option<Self> {
        match ShutdownSignals::new() {
            Ok(signals) => Some(Self { signals, server, cleanup }),
            Err(error) => {
                tracing::warn!(%error, "could not register for signals; the first signal ends this worker at once");
                None
            }
        }
    }

    /// Handles signals forever. Cancel-safe.
    pub(super) async fn listen(&mut self) -> Infallible {
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

    /// Handles signals on a thread, because a handler may block the worker's runtime.
    pub(super) fn spawn_thread(mut self) {
        let listen = move || match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => match runtime.block_on(self.listen()) {},
            Err(error) => warn_not_listening(&error),
        };
        let thread = std::thread::Builder::new().name("signals".into()).stack_size(256 << 10);
        if let Err(error) = thread.spawn(listen) {
            warn_not_listening(&error);
        }
    }
}

fn warn_not_listening(error: &std::io::Error) {
    tracing::warn!(%error, "could not start a thread for signals; this worker ignores them");
}
