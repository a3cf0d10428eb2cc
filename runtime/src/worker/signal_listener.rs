//! Signals that ask a worker's process to end.

#[cfg_attr(unix, path = "signal_listener/unix.rs")]
#[cfg_attr(windows, path = "signal_listener/windows.rs")]
mod system;

use std::convert::Infallible;
use std::sync::{Arc, OnceLock};

use isolated_workers_transport::Cleanup;

use self::system::ShutdownSignals;
use super::Server;
use super::exit::exit;

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
                exit(code, self.cleanup.get());
            }
        }
    }
}
