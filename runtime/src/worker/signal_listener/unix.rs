use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Offset that a shell adds to a signal's number to form an exit code.
const SIGNAL_EXIT_CODE_BASE: i32 = 128;

pub(super) struct ShutdownSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl ShutdownSignals {
    /// Registers for the signals. Must be called within a tokio runtime.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for the next signal, and returns its exit code.
    pub(super) async fn next(&mut self) -> i32 {
        let kind = tokio::select! {
            _ = self.terminate.recv() => SignalKind::terminate(),
            _ = self.interrupt.recv() => SignalKind::interrupt(),
        };
        SIGNAL_EXIT_CODE_BASE + kind.as_raw_value()
    }
}
